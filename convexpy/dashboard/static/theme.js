// The theme, before the first paint; it is chosen in ui/theme.js.
try {
  const theme = localStorage.getItem("convexpy.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
