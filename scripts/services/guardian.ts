import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { GuardedProgram, GuardSignal, GuardSpec } from './guard.ts'

// The process between a test run and the server that it started; `guard.ts` says why. It reads a GuardSpec as one
// line of JSON and serves until its standard input ends or the program does; then it cleans up, prints the last of
// what the program printed, and exits. Every further line is a signal for the program.

const OUTPUT_CHARACTERS_MAX = 4000

// Only the pipe ends a guardian: whoever sends these to a whole process group ends the test run as well.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Where the test run was killed, nobody reads what we print.
process.stdout.on('error', () => undefined)

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const first = await lines.next()
if (first.done !== true) await serve(JSON.parse(first.value))

async function serve(spec: GuardSpec): Promise<void> {
  let wasKilled = false
  let output = ''
  if (spec.program === null) await untilPipeCloses(() => undefined)
  else ({ output, wasKilled } = await runProgram(spec.program))
  for (const [command, ...args] of spec.afterwards) {
    if (command !== undefined) spawnSync(command, args, { stdio: 'ignore', timeout: 60_000 })
  }
  // Killed on purpose, it will be started again where it was.
  for (const path of wasKilled ? [] : spec.remove) rmSync(path, { recursive: true, force: true })
  process.stdout.write(output)
  // The pipe may still be open where the program ended by itself.
  process.stdin.destroy()
}

async function untilPipeCloses(take: (signal: GuardSignal) => void): Promise<void> {
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    take(line.value as GuardSignal)
  }
}

/** Runs the program until it ends or the pipe closes, and returns the last of what it printed. */
async function runProgram(spec: GuardedProgram): Promise<{ output: string; wasKilled: boolean }> {
  let output = ''
  let wasKilled = false
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
  const pipeClosed = untilPipeCloses((signal) => {
    wasKilled ||= signal === 'SIGKILL'
    program.kill(signal)
  })
  await Promise.race([ended, pipeClosed])
  program.kill(spec.signal)
  // One that stands still hears nothing else.
  program.kill('SIGCONT')
  const kill = setTimeout(() => program.kill('SIGKILL'), spec.graceMs)
  await ended
  clearTimeout(kill)
  return { output, wasKilled }
}
