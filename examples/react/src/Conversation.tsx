import { usePaginatedQuery } from "convex/react";
import { useLayoutEffect, useRef, type CSSProperties } from "react";
import type { ChannelName } from "./App";
import { api, type MessageView } from "./convex/api";

const PAGE_SIZE = 30;
const SAME_SPEAKER = 5 * 60_000; // milliseconds; messages so close together share a byline

export function Conversation({ channel }: { channel: ChannelName }) {
  const { results, status, loadMore } = usePaginatedQuery(api.messages.page, { channel }, { initialNumItems: PAGE_SIZE });
  const scroller = useScrollPosition(results);
  const messages = [...results].reverse();
  return (
    <section className="scroller" ref={scroller} tabIndex={0} aria-label="Messages">
      {status === "CanLoadMore" && (
        <button type="button" onClick={() => loadMore(PAGE_SIZE)}>
          Older messages
        </button>
      )}
      {status !== "LoadingFirstPage" && messages.length === 0 && (
        <p className="empty">Nothing in # {channel} yet. The first message is yours.</p>
      )}
      <ol>
        {messages.map((message, index) => (
          <Row key={message.id} message={message} previous={messages[index - 1]} />
        ))}
      </ol>
    </section>
  );
}

function Row({ message, previous }: { message: MessageView; previous: MessageView | undefined }) {
  const sent = new Date(message.sentAt);
  const before = previous && new Date(previous.sentAt);
  const isSameDay = before?.toDateString() === sent.toDateString();
  const isSoon = before !== undefined && sent.getTime() - before.getTime() < SAME_SPEAKER;
  const follows = isSameDay && isSoon && previous?.authorId === message.authorId;
  return (
    <>
      {!isSameDay && <li className="day">{sent.toLocaleDateString(undefined, { dateStyle: "full" })}</li>}
      <li className={follows ? "message follows" : "message"}>
        {!follows && (
          <>
            <span className="sign" aria-hidden style={{ "--hue": hueOf(message.authorId) } as CSSProperties}>
              {[...message.author][0]?.toUpperCase()}
            </span>
            <div className="byline">
              <span className="author">{message.author}</span>
              <time dateTime={message.sentAt}>{sent.toLocaleTimeString(undefined, { timeStyle: "short" })}</time>
            </div>
          </>
        )}
        <p className={message.id < 0 ? "body unsent" : "body"}>{message.body}</p>
      </li>
    </>
  );
}

/** Keeps the end in view for whoever is there, and the place of whoever reads further up. */
function useScrollPosition(results: MessageView[]) {
  const scroller = useRef<HTMLElement>(null);
  const fromBottom = useRef(0);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const isAtEnd = fromBottom.current - element.clientHeight < 40;
    element.scrollTop = isAtEnd ? element.scrollHeight : element.scrollHeight - fromBottom.current;
    const remember = () => (fromBottom.current = element.scrollHeight - element.scrollTop);
    remember();
    element.addEventListener("scroll", remember);
    return () => element.removeEventListener("scroll", remember);
  }, [results]);
  return scroller;
}

function hueOf(text: string) {
  return [...text].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0)!) % 360, 7);
}
