import { ConvexReactClient } from "convex/react";

const SERVER = import.meta.env.VITE_SERVER ?? (import.meta.env.DEV ? "http://127.0.0.1:3210" : location.origin);

export const client = new ConvexReactClient(SERVER);

// Each tab has its own user, and keeps it when it is loaded again.

export function logIn(token: string) {
  sessionStorage.setItem("token", token);
  useStoredToken();
}

export function logOut() {
  sessionStorage.removeItem("token");
  client.clearAuth();
}

function useStoredToken() {
  const fetchToken = async () => sessionStorage.getItem("token");
  client.setAuth(fetchToken, (isLoggedIn) => isLoggedIn || sessionStorage.removeItem("token"));
}

if (sessionStorage.getItem("token")) useStoredToken();
