import type { StepResult } from '../steps.ts'
import type { TestReport } from './test-report.ts'

const SLOWEST_SHOWN = 10

export type Summary = Readonly<{ text: string; failed: number }>

/**
 * What became of everything: the slowest tests, the skipped with their reasons, the failed, and as its last line
 * `N passed, N failed, N skipped`, a form known to others. A failed step that is no run of tests counts as one.
 */
export function summarizeAll(steps: readonly StepResult[], runs: readonly TestReport[]): Summary {
  const passed = runs.reduce((sum, run) => sum + run.passed, 0)
  const skipped = runs.flatMap((run) => run.skipped)
  const failedSteps = steps.filter(({ ok }) => !ok).map(({ name }) => name)
  const failed = [...runs.flatMap((run) => run.failed), ...failedSteps]
  const slowest = runs
    .flatMap((run) => run.durations)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST_SHOWN)
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(6)} s ${name}`)
  return {
    text: [
      ...section('slowest tests', slowest),
      ...section('skipped', skipped),
      ...section('failed', failed),
      `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`,
    ].join('\n'),
    failed: failed.length,
  }
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`), '']
}
