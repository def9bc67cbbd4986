import { useConvexConnectionState, useQuery } from "convex/react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { logOut } from "./client";
import { Composer } from "./Composer";
import { api } from "./convex/api";
import { Conversation } from "./Conversation";
import { Login } from "./Login";

const CHANNELS = ["general", "random", "reading"] as const;

export type ChannelName = (typeof CHANNELS)[number];

export function App() {
  const channel = useChannel();
  const me = useQuery(api.login.me);
  const isOffline = useIsOffline();
  const typists = useQuery(api.typing.who, { channel }) ?? [];
  const names = typists.filter((typist) => typist.userId !== me?.id).map((typist) => typist.name);
  return (
    <>
      <title>{`# ${channel}`}</title>
      <nav aria-label="Channels">
        {CHANNELS.map((name) => (
          <a key={name} href={`#${name}`} aria-current={name === channel ? "page" : undefined}>
            # {name}
          </a>
        ))}
      </nav>
      <main>
        <header>
          <h1># {channel}</h1>
          {me && (
            <span className="user">
              <span className="user-name">{me.name}</span>
              <button type="button" onClick={logOut}>
                Log out
              </button>
            </span>
          )}
        </header>
        {isOffline && (
          <p className="offline" role="status">
            Connecting again. You can go on writing: it is sent as soon as the server is back.
          </p>
        )}
        <Conversation key={channel} channel={channel} />
        <footer>
          <p className="typists" role="status">
            {whoIsTyping(names)}
          </p>
          {me && <Composer key={channel} channel={channel} me={me} isOffline={isOffline} />}
          {me === null && <Login />}
        </footer>
      </main>
    </>
  );
}

function whoIsTyping(names: string[]) {
  if (names.length === 0) return "";
  const listed = names.length > 3 ? "Several people" : new Intl.ListFormat("en").format(names);
  return `${listed} ${names.length === 1 ? "is" : "are"} typing …`;
}

/** The channel that the address names. */
function useChannel(): ChannelName {
  const subscribe = (onChange: () => void) => {
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  };
  const hash = useSyncExternalStore(subscribe, () => location.hash.slice(1));
  return CHANNELS.find((name) => name === hash) ?? CHANNELS[0];
}

/** Whether the server has been away for a moment. A short break is nobody's concern. */
function useIsOffline() {
  const { isWebSocketConnected } = useConvexConnectionState();
  const [isOffline, setIsOffline] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsOffline(!isWebSocketConnected), isWebSocketConnected ? 0 : 700);
    return () => clearTimeout(timer);
  }, [isWebSocketConnected]);
  return isOffline;
}
