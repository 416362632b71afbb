import { readTestReport, type TestReport, testStep } from './check/test-report.ts'
import { runSteps, type Step, type StepResult } from './steps.ts'

/** Two cores: the tests use both now and then, the others fill the gaps. */
const AT_ONCE = 2

const SIMULATION_SEEDS = 50

/** `steps`: all but the tests, whose failures `tests` names. */
export type CheckResult = Readonly<{ steps: readonly StepResult[]; tests: TestReport }>

/** Everything that needs no service, to the end, whatever fails on the way. Prints a line for each step. */
export async function check(): Promise<CheckResult> {
  const tests = testStep('quick')
  const steps: readonly Step[] = [
    tests.step,
    { name: 'types', command: 'tsc', args: ['--noEmit'], minutesMax: 5 },
    { name: 'format and lint', command: 'biome', args: ['check', '--error-on-warnings'], minutesMax: 5 },
    { name: 'tidy', command: 'node', args: ['scripts/tidy.ts'], minutesMax: 5 },
    { name: 'generated files', command: 'node', args: ['scripts/generate.ts', '--check'], minutesMax: 5 },
    {
      name: 'simulation',
      command: 'node',
      args: ['scripts/simulate.ts', '--seeds', String(SIMULATION_SEEDS)],
      minutesMax: 10,
    },
  ]
  const results = await runSteps(steps, { atOnce: AT_ONCE, done: printStep })
  const isOk = results.some(({ name, ok }) => name === tests.step.name && ok)
  return {
    steps: results.filter(({ name }) => name !== tests.step.name),
    tests: readTestReport(tests.reportPath, isOk),
  }
}

/** One line for a step, and all that it printed where it failed. */
export function printStep({ name, ok, seconds, output }: StepResult): void {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(18)} ${seconds.toFixed(1).padStart(6)} s`)
  if (!ok && output !== '') console.log(`${output}\n`)
}

if (import.meta.main) {
  const { steps, tests } = await check()
  const failed = [...tests.failed, ...steps.filter(({ ok }) => !ok).map(({ name }) => name)]
  console.log(failed.length === 0 ? 'check: all well' : `check: failed\n${failed.join('\n')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
