"""The post office: a stand-in for the outside world. It prints what a real one would send."""


async def send(to: str, text: str) -> None:
    print(f"         [mail] to {to}: {text}", flush=True)
