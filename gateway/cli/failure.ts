/** Exit codes of erpgw; `erpgw --help` tells them. */
export const EXIT = {
  ok: 0,
  /** Something did not work: a lane is held, a check failed. */
  failed: 1,
  /** Wrong usage, or a config with mistakes. */
  usage: 2,
  /** No gateway runs. */
  notRunning: 3,
} as const

/** Ends a command with a message for the person who typed it. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message)
    this.exitCode = exitCode
  }
}
