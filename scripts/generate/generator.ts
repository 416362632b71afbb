/** Makes files from what the repository already says elsewhere, so that nothing is written twice. */
export type Generator = Readonly<{
  /** What it makes, for people. */
  name: string
  /** The wanted content of each file that it owns, by path from the root of the repository. Writes nothing. */
  files(): Promise<Readonly<Record<string, string>>>
}>
