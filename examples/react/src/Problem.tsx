import { ConvexError } from "convex/values";

/** What went wrong, if something did. */
export function Problem({ error }: { error: unknown }) {
  if (error === null) return null;
  const text = error instanceof ConvexError ? error.data.message : error instanceof Error ? error.message : String(error);
  return (
    <p className="problem" role="alert">
      {text}
    </p>
  );
}
