/** The command palette. */

export function openPalette() {}
