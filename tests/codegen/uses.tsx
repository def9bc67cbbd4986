// Right uses, and wrong ones: each of these stands on a line that ends with what it is about.
import { useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { api } from "./api.js";
import type { Channel, Message, Status } from "./api.js";

export function Right() {
  const messages = useQuery(api.chat.list_messages, { channel: "a" });
  const later = useQuery(api.chat.list_messages, { channel: "a", since: new Date().toISOString() });
  const skipped = useQuery(api.chat.list_messages, "skip");
  const channels: Channel[] | undefined = useQuery(api.chat.channels);
  const everything = useQuery(api.chat.everything, {});
  const pages = usePaginatedQuery(api.chat.page_of_messages, { channel: "a" }, { initialNumItems: 10 });
  const newest: Message | undefined = pages.results[0];
  const views: bigint | undefined = everything?.views;
  const send = useMutation(api.chat.send).withOptimisticUpdate((store, { channel, body }) => {
    const shown = store.getQuery(api.chat.list_messages, { channel: channel.name }) ?? [];
    const mine: Message = { id: 0, author: "me", body, sent_at: "", status: "sent", reactions: {}, reply_to: null };
    store.setQuery(api.chat.list_messages, { channel: channel.name }, [mine, ...shown]);
  });
  const clear = useMutation(api.chat.clear);
  const translate = useAction(api.chat.translate);

  async function all() {
    const id: number = await send({ channel: { name: "a" }, body: { kind: "text", text: "hello" } });
    const picture = { kind: "picture", data: new ArrayBuffer(4), size: [1, 1] } as const;
    await send({ channel: { name: "a", topic: "b" }, body: { ...picture, size: [1, 1] }, status: "read" });
    const nothing: null = await clear({ channel: "a" });
    const text: string = await translate({ text: `${id} ${nothing}`, to: "de" });
    return text;
  }

  const first = messages?.[0];
  const body = first?.body;
  const text: string | undefined = body?.kind === "text" ? body.text : undefined;
  const width: number | undefined = body?.kind === "picture" ? body.size[0] : undefined;
  const status: Status | undefined = first?.status;
  const loved: number | undefined = first?.reactions["heart"];
  const reply: string | undefined = first?.reply_to?.author;
  const sent = first && new Date(first.sent_at).getTime();
  const [count, label] = everything?.pair ?? [0, ""];
  const exact: [number, string] = [count, label];
  const read: number | undefined = everything?.per_status.read;
  const topic: string | undefined = channels?.[0]?.topic;
  return <p onClick={all}>{[newest, views, text, width, status, loved, reply, sent, exact, read, topic, later, skipped].join()}</p>;
}

export function Wrong() {
  useQuery(api.chat.list_messages, {}); // a missing argument
  useQuery(api.chat.list_messages); // no arguments at all
  useQuery(api.chat.list_messages, { channel: 1 }); // a wrong type
  useQuery(api.chat.list_messages, { channel: "a", sinse: "" }); // a misspelt name
  useQuery(api.chat.list_messages, { channel: "a", since: new Date() }); // a date is a text
  useQuery(api.chat.channels, { channel: "a" }); // it takes none
  useQuery(api.chat.listMessages, { channel: "a" }); // a name as it is not written
  useQuery(api.chat.secret, {}); // an internal function
  useQuery(api.chat.send, { channel: { name: "a" }, body: { kind: "text", text: "" } }); // a mutation as a query
  usePaginatedQuery(api.chat.page_of_messages, {}, { initialNumItems: 10 }); // a missing argument of a page
  usePaginatedQuery(api.chat.list_messages, { channel: "a" }, { initialNumItems: 10 }); // not a paginated query
  const pages = usePaginatedQuery(api.chat.page_of_messages, { channel: "a" }, { initialNumItems: 10 });
  const item: string = pages.results[0]; // an item of another type
  const views: number | undefined = useQuery(api.chat.everything)?.views; // a bigint is no number
  const send = useMutation(api.chat.send);
  const clear = useMutation(api.chat.clear);
  const translate = useAction(api.chat.translate);
  send({ channel: { topic: "a" }, body: { kind: "text", text: "" } }); // a nested field is missing
  send({ channel: { name: "a" }, body: { kind: "text", data: "" } }); // no member of the union
  send({ channel: { name: "a" }, body: { kind: "text", text: "" }, status: "lost" }); // no member of the enum
  send({ channel: { name: "a" }, body: { kind: "picture", data: "", size: [1, 1] } }); // bytes are an ArrayBuffer
  send({ channel: { name: "a" }, body: { kind: "picture", data: new ArrayBuffer(1), size: [1] } }); // a short tuple
  translate({ text: "a", to: "fr" }); // no such literal
  const wrong: Promise<string> = clear({ channel: "a" }); // the result is null
  const messages = useQuery(api.chat.list_messages, { channel: "a" });
  const author: number | undefined = messages?.[0].author; // a field of another type
  const maybe: Message[] = messages; // it may be loading
  const title = messages?.[0].title; // no such field
  const reply = messages?.[0].reply_to.author; // it may be null
  return <p>{[wrong, author, maybe, title, reply, item, views].join()}</p>;
}
