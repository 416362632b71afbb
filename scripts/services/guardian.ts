import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { GuardedProgram, GuardSpec } from './guard.ts'

// The process between a test run and the server that it started; `guard.ts` says why. It reads a GuardSpec as one
// line of JSON and serves until its standard input ends or the program does; then it cleans up, prints the last of
// what the program printed, and exits.

const OUTPUT_CHARACTERS_MAX = 4000

// Only the pipe ends a guardian: whoever sends these to a whole process group ends the test run as well.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Where the test run was killed, nobody reads what we print.
process.stdout.on('error', () => undefined)

const lines = createInterface({ input: process.stdin })
const pipeClosed = new Promise<null>((resolve) => lines.once('close', () => resolve(null)))
const first = await Promise.race([new Promise<string>((resolve) => lines.once('line', resolve)), pipeClosed])
if (first !== null) await serve(JSON.parse(first))

async function serve(spec: GuardSpec): Promise<void> {
  const output = spec.program === null ? await pipeClosed : await runProgram(spec.program)
  for (const [command, ...args] of spec.afterwards) {
    if (command !== undefined) spawnSync(command, args, { stdio: 'ignore', timeout: 60_000 })
  }
  for (const path of spec.remove) rmSync(path, { recursive: true, force: true })
  process.stdout.write(output ?? '')
  // The pipe may still be open where the program ended by itself.
  process.stdin.destroy()
}

/** Runs the program until it ends or the pipe closes, and returns the last of what it printed. */
async function runProgram(spec: GuardedProgram): Promise<string> {
  let output = ''
  const program = spawn(spec.command, spec.args, {
    ...(spec.account ?? {}),
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-OUTPUT_CHARACTERS_MAX)
  }
  program.stdout.setEncoding('utf8').on('data', keep)
  program.stderr.setEncoding('utf8').on('data', keep)
  program.once('error', (error) => keep(`${spec.command} could not be started: ${error.message}`))
  const ended = new Promise<void>((resolve) => program.once('close', () => resolve()))
  await Promise.race([ended, pipeClosed])
  program.kill(spec.signal)
  const kill = setTimeout(() => program.kill('SIGKILL'), spec.graceMs)
  await ended
  clearTimeout(kill)
  return output
}
