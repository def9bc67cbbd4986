// Written by `convexpy codegen ts` from the Python functions: changes are lost when it runs again.

import type { FunctionReference, PaginationOptions, PaginationResult } from "convex/server";

/** A date and time as ISO 8601 text, such as "2026-01-07T12:00:00Z". */
export type DateTimeText = string;

/** A message as clients see it. */
export interface MessageView {
  id: number;
  authorId: string;
  author: string;
  body: string;
  sentAt: DateTimeText;
}

/** Someone who is typing, as clients see them. */
export interface TypistView {
  userId: string;
  name: string;
}

/** A user as clients see them. */
export interface UserView {
  id: string;
  name: string;
}

export declare const api: {
  login: {
    /** A token for a new user of this name. An action, so that the token is stored nowhere. */
    enter: FunctionReference<"action", "public", { name: string }, string>;
    /** The user as whom the client calls. */
    me: FunctionReference<"query", "public", Record<string, never>, UserView | null>;
  };
  messages: {
    /** The messages of a channel, the newest first. */
    page: FunctionReference<"query", "public", { channel: "general" | "random" | "reading"; paginationOpts: PaginationOptions }, PaginationResult<MessageView>>;
    /** Send a message. Its author no longer types. */
    send: FunctionReference<"mutation", "public", { channel: "general" | "random" | "reading"; body: string }, number>;
  };
  typing: {
    /** The caller types. Call it again while they do. */
    start: FunctionReference<"mutation", "public", { channel: "general" | "random" | "reading" }, null>;
    /** The caller does not type any more. */
    stop: FunctionReference<"mutation", "public", { channel: "general" | "random" | "reading" }, null>;
    /** Those who are typing in a channel. */
    who: FunctionReference<"query", "public", { channel: "general" | "random" | "reading" }, TypistView[]>;
  };
};
