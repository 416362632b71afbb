import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the checkout. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Tools, and the pinned Node, before whatever the machine has. */
const PROGRAMS = join(ROOT, 'node_modules', '.bin')

/** A program of the checkout to run; `node` and those of node_modules/.bin are found by name. */
export type Step = Readonly<{ name: string; command: string; args: readonly string[] }>

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
  const work = async (): Promise<void> => {
    for (const step of waiting) {
      const result = await runStep(step, options.show ?? false)
      results.push(result)
      options.done(result)
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, work))
  return results
}

function runStep(step: Step, show: boolean): Promise<StepResult> {
  const began = performance.now()
  const program = spawn(step.command, step.args, {
    cwd: ROOT,
    env: { ...process.env, PATH: `${PROGRAMS}${delimiter}${process.env['PATH'] ?? ''}` },
    stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: string): void => {
    output += chunk
  }
  program.stdout?.setEncoding('utf8').on('data', keep)
  program.stderr?.setEncoding('utf8').on('data', keep)
  return new Promise((resolve) => {
    const finish = (ok: boolean): void => {
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
