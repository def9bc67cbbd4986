import { useAction } from "convex/react";
import { useState, type FormEvent } from "react";
import { logIn } from "./client";
import { api } from "./convex/api";
import { Problem } from "./Problem";

export function Login() {
  const enter = useAction(api.login.enter);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<unknown>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    try {
      logIn(await enter({ name: name.trim() }));
    } catch (error) {
      setProblem(error);
    }
  }

  return (
    <>
      <Problem error={problem} />
      <form onSubmit={submit}>
        <input
          value={name}
          onChange={(event) => setName(event.target.value)}
          maxLength={40}
          required
          autoComplete="nickname"
          placeholder="Your name"
          aria-label="Your name"
        />
        <button type="submit">Join</button>
      </form>
    </>
  );
}
