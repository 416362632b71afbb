import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What must not outlive this process, and what to do when it ends. */
export type GuardSpec = Readonly<{
  /** Null where something else runs the server, and ending it is a command of `afterwards`. */
  program: GuardedProgram | null
  /** Command lines to run once the program has ended, and folders to remove after them. */
  afterwards: readonly (readonly string[])[]
  remove: readonly string[]
}>

export type GuardedProgram = Readonly<{
  command: string
  args: readonly string[]
  /** The account to run as; null for our own. */
  account: Readonly<{ uid: number; gid: number }> | null
  /** The signal that asks it to end in order; it is killed if it has not ended `graceMs` later. */
  signal: 'SIGINT' | 'SIGTERM'
  graceMs: number
}>

export type GuardSignal = 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'

export interface Guarded {
  /** Resolves when all is ended and cleaned up, with the last of what the program printed. */
  readonly ended: Promise<string>
  /** Reaches the program, not the guardian. After SIGKILL what `remove` names is left for whoever goes on with it. */
  signal(name: GuardSignal): void
  stop(): Promise<void>
}

/**
 * Starts a guardian, a small process that runs the program, and ends it and cleans up when our end of its pipe closes. The kernel closes it whatever becomes of us, so that even a killed test run leaves no server behind.
 */
export function guard(spec: GuardSpec): Guarded {
  const guardian = spawn(process.execPath, [fileURLToPath(new URL('./guardian.ts', import.meta.url))], {
    // A group of its own: Ctrl-C reaches the test run, and through the pipe the guardian.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = outputOf(guardian)
  guardian.stdin.on('error', () => undefined)
  guardian.stdin.write(`${JSON.stringify(spec)}\n`)
  return {
    ended,
    signal(name) {
      guardian.stdin.write(`${name}\n`)
    },
    async stop() {
      guardian.stdin.end()
      await ended
    },
  }
}

function outputOf(guardian: ChildProcess): Promise<string> {
  let output = ''
  guardian.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    guardian.once('error', reject)
    guardian.once('close', () => resolve(output.trim()))
  })
}
