import type { Commit } from '../port.ts'

export type Failed = Exclude<Commit, { kind: 'committed' }>

/** Ends a transaction before its commit. `undo`: it was begun, and must be broken off before this is true. */
export class Ended extends Error {
  readonly commit: Failed
  readonly undo: boolean

  constructor(commit: Failed, undo: boolean) {
    super(commit.kind)
    this.commit = commit
    this.undo = undo
  }
}

export function reasonOf(commit: Failed): string {
  return 'reason' in commit ? commit.reason : commit.kind
}
