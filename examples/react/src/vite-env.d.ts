interface ImportMetaEnv {
  /** Where convexpy is, if not where the page comes from. */
  readonly VITE_SERVER?: string;
}
