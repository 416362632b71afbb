import { spawn } from 'node:child_process'

export type RunOptions = Readonly<{
  /** The whole of it; then the program is killed and `reason` says so. */
  timeoutMs: number
  /** Where it runs; `/` where that does not matter. */
  folder?: string
  account?: Readonly<{ uid: number; gid: number }>
  environment?: Readonly<Record<string, string>>
}>

export type Ran = Readonly<{ ok: true; output: string } | { ok: false; reason: string; output: string }>

/** Runs a program to its end. A program that fails, hangs or is not there is an answer, with what it printed last. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  return new Promise((resolve) => {
    const program = spawn(command, args, {
      ...(options.account ?? {}),
      cwd: options.folder ?? '/',
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    })
    let output = ''
    let complaints = ''
    program.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
    program.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaints += chunk
    })
    program.once('error', (error) => resolve({ ok: false, reason: error.message, output: '' }))
    program.once('close', (code, signal) => {
      if (code === 0) return resolve({ ok: true, output })
      const how = signal === null ? `exit code ${code}` : `no end within ${options.timeoutMs / 1000} s`
      const reason = `${command} ${args[0] ?? ''}: ${how}${lastLine(complaints || output)}`
      resolve({ ok: false, reason, output: output + complaints })
    })
  })
}

function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1)?.trim()
  return line ? ` (${line})` : ''
}
