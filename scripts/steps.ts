import { type ChildProcess, spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Tools, and the pinned Node, before whatever the machine has. */
const PROGRAMS = join(ROOT, 'node_modules', '.bin')

/** Where Node keeps what it has compiled: each of the many programs that tests start then begins in half the time. */
const COMPILED = join(ROOT, '.cache', 'compiled')

/** A program of the checkout to run; `node` and those of node_modules/.bin are found by name. */
export type Step = Readonly<{
  name: string
  command: string
  args: readonly string[]
  /** A step that has not ended by then is ended with all that it started, and has failed. */
  minutesMax: number
}>

export type StepResult = Readonly<{ name: string; ok: boolean; seconds: number; output: string }>

/**
 * Runs steps in their order, at most `atOnce` side by side, to the end of all of them. Each is told when it is done.
 * `show`: what a step prints goes to the terminal at once, instead of into its result.
 */
export async function runSteps(
  steps: readonly Step[],
  options: Readonly<{ atOnce: number; show?: boolean; done(result: StepResult): void }>,
): Promise<readonly StepResult[]> {
  const results: StepResult[] = []
  const waiting = steps.values()
  const running = new Set<ChildProcess>()
  const work = async (): Promise<void> => {
    for (const step of waiting) {
      const result = await runStep(step, options.show ?? false, running)
      results.push(result)
      options.done(result)
    }
  }
  // Ctrl-C reaches our own group of processes only; the steps are in groups of their own.
  const end = (): void => {
    for (const program of running) endGroup(program)
    process.exit(1)
  }
  for (const signal of ENDING) process.on(signal, end)
  await Promise.all(Array.from({ length: options.atOnce }, work))
  for (const signal of ENDING) process.off(signal, end)
  return results
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function runStep(step: Step, show: boolean, running: Set<ChildProcess>): Promise<StepResult> {
  const began = performance.now()
  const program = spawn(step.command, step.args, {
    cwd: ROOT,
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: COMPILED,
      PATH: `${PROGRAMS}${delimiter}${process.env['PATH'] ?? ''}`,
    },
    stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that a step that hangs can be ended with what it started.
    detached: true,
  })
  running.add(program)
  let output = ''
  const keep = (chunk: string): void => {
    output += chunk
  }
  program.stdout?.setEncoding('utf8').on('data', keep)
  program.stderr?.setEncoding('utf8').on('data', keep)
  const overdue = setTimeout(() => {
    keep(`\n${step.name} did not end within ${step.minutesMax} min, and was ended\n`)
    endGroup(program)
  }, step.minutesMax * 60_000)
  return new Promise((resolve) => {
    const finish = (ok: boolean): void => {
      clearTimeout(overdue)
      running.delete(program)
      const seconds = (performance.now() - began) / 1000
      resolve({ name: step.name, ok, seconds, output: output.trim() })
    }
    program.once('error', (error) => {
      keep(`${step.command} could not be started: ${error.message}; did npm ci run?\n`)
      finish(false)
    })
    program.once('close', (code) => finish(code === 0))
  })
}

function endGroup(program: ChildProcess): void {
  if (program.pid === undefined) return
  try {
    process.kill(-program.pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
