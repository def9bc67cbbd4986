/** What can be sent and received. `undefined` fields of an object are left out. */
export type Value = null | boolean | number | bigint | string | ArrayBuffer | Value[] | { [name: string]: Value };

/** The arguments of a function, by name. Arrays of bytes may be sent as well. */
export type Arguments = { [name: string]: unknown };

/** `connected`: subscriptions are up to date. `closed`: for good, by `close()` or because the server refuses the client. */
export type ConnectionState = "connecting" | "connected" | "closed";

/** Gives a token, or null for nobody. `forceRefresh`: the last one expires soon or was refused; do not give it again. */
export type FetchToken = (options: { forceRefresh: boolean }) => Promise<string | null | undefined> | string | null;

export interface ClientOptions {
  /** Called once the client is made, and whenever the state changes. */
  onConnection?: (state: ConnectionState) => void;
  /** The class of the sockets, where there is no global one: that of the package `ws` in Node 20. */
  webSocket?: any;
}

export interface MutationOptions {
  /**
   * Shows the outcome before the server has it: it changes values of subscribed queries, until the transition arrives
   * that contains the mutation, or its error. It runs again on each new value of the server, so it sets new values and
   * does not change those that it gets.
   */
  optimistic?: (store: LocalStore) => void;
}

/** The values of subscribed queries. */
export interface LocalStore {
  /** The value, or undefined if there is no such subscription, no value yet, or an error. */
  get<T = any>(name: string, args?: Arguments): T | undefined;
  /** Shows this value. Without such a subscription nothing happens. */
  set(name: string, args: Arguments, value: unknown): void;
  /** All subscriptions of a query, such as the pages of a list. */
  all<T = any>(name: string): { args: any; value: T | undefined }[];
}

/** The function raised a ConvexError: its code, message and data are meant for the client. */
export class ConvexError extends Error {
  constructor(message: string, errorData: any);
  /** Such as `NOT_FOUND`. */
  readonly code: string | undefined;
  readonly data: any;
}

/** A connection to a convexpy server. It connects at once, and again whenever the connection breaks. */
export class Client {
  /** @param url Where the server is. By default where this module comes from. */
  constructor(url?: string, options?: ClientOptions);

  /**
   * Calls `onValue` with the query's value, now and after each commit that changes it; or `onError` with its error. After
   * an error it goes on: the next commit may mend it.
   * @returns what ends the subscription
   */
  subscribe<T = any>(
    name: string,
    args: Arguments,
    onValue: (value: T) => void,
    onError?: (error: Error) => void,
  ): () => void;

  /** The query's value as it is now, once: the server is asked, even if there is a subscription. */
  query<T = any>(name: string, args?: Arguments): Promise<T>;

  /**
   * Runs a mutation once, however often the connection breaks; without a connection it waits for one. By the time its
   * promise resolves, subscriptions show what it wrote. Mutations run in the order of their calls.
   */
  mutation<T = any>(name: string, args?: Arguments, options?: MutationOptions): Promise<T>;

  /** Runs an action at most once. Rejects if the connection breaks meanwhile: whether it ran is unknown then. */
  action<T = any>(name: string, args?: Arguments): Promise<T>;

  /**
   * Calls as the user of the token from now on. The function is asked again before the token expires (its `exp`), and
   * when the server refuses it; after a few refused tokens the client goes on as nobody. null: as nobody, at once.
   * @param onChange told whether the server accepted a token
   */
  setAuth(fetchToken: FetchToken | null, onChange?: (isAuthenticated: boolean) => void): void;

  /** Ends all subscriptions, without another call. What is not finished rejects. */
  close(reason?: string): void;
}

/** A value as the protocol writes it in JSON. */
export function encode(value: unknown): unknown;

/** The value that such JSON means. */
export function decode(json: unknown): any;
