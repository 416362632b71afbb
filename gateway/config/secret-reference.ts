/** Where a secret is to be had. */
export type ReferenceParts = Readonly<{ from: 'env'; name: string } | { from: 'file'; path: string }>

/** The parts of `env:NAME` or `file:/path`, or null where a text is no reference. */
export function parseReference(written: string): ReferenceParts | null {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(written)?.[1]
  if (name !== undefined) return { from: 'env', name }
  const path = /^file:(.+)$/.exec(written)?.[1]
  return path === undefined ? null : { from: 'file', path }
}
