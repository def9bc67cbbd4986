import { insertAtTop, useMutation } from "convex/react";
import { useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import type { ChannelName } from "./App";
import { api, type UserView } from "./convex/api";
import { Problem } from "./Problem";

const TYPING_INTERVAL = 2_000; // milliseconds; the server forgets a typist after 4 seconds

export function Composer({ channel, me, isOffline }: { channel: ChannelName; me: UserView; isOffline: boolean }) {
  const [body, setBody] = useDraft(channel);
  const [problem, setProblem] = useState<unknown>(null);
  const lastTyping = useRef(0);
  const area = useRef<HTMLTextAreaElement>(null);
  const startTyping = useMutation(api.typing.start);
  const send = useMutation(api.messages.send).withOptimisticUpdate((localQueryStore, sent) => {
    // An id below zero says that the server does not have it yet.
    const item = { id: -Date.now(), authorId: me.id, author: me.name, body: sent.body, sentAt: new Date().toISOString() };
    insertAtTop({ paginatedQuery: api.messages.page, argsToMatch: { channel: sent.channel }, localQueryStore, item });
  });

  useLayoutEffect(() => {
    const textarea = area.current!;
    textarea.style.height = "auto"; // then as high as its text, up to the limit in the style sheet
    textarea.style.height = `${textarea.scrollHeight + 2}px`;
  }, [body]);

  function change(text: string) {
    setBody(text);
    if (text === "" || isOffline || Date.now() - lastTyping.current < TYPING_INTERVAL) return;
    lastTyping.current = Date.now();
    startTyping({ channel }).catch(() => {}); // only a hint
  }

  async function submit(event?: FormEvent) {
    event?.preventDefault();
    const text = body.trim();
    if (text === "") return;
    setBody("");
    setProblem(null);
    lastTyping.current = 0;
    try {
      await send({ channel, body: text });
    } catch (error) {
      setBody((current) => current || text); // it was not sent, so it is not lost either
      setProblem(error);
    }
  }

  function press(event: KeyboardEvent) {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void submit();
  }

  return (
    <>
      <Problem error={problem} />
      <form onSubmit={submit}>
        <textarea
          ref={area}
          rows={1}
          value={body}
          onChange={(event) => change(event.target.value)}
          onKeyDown={press}
          maxLength={4000}
          enterKeyHint="send"
          placeholder={`Message # ${channel}`}
          aria-label="Message"
        />
        <button type="submit">Send</button>
      </form>
    </>
  );
}

/** What is being written in a channel. It stays when the page is loaded again. */
function useDraft(channel: ChannelName) {
  const key = `draft ${channel}`;
  const [body, setBody] = useState(() => sessionStorage.getItem(key) ?? "");
  const keep = (next: string | ((current: string) => string)) => {
    setBody((current) => {
      const text = typeof next === "string" ? next : next(current);
      sessionStorage.setItem(key, text);
      return text;
    });
  };
  return [body, keep] as const;
}
