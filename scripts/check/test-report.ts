import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { z } from 'zod'
import { ROOT, type Step } from '../steps.ts'

/** What became of the tests of one run. Names begin with the test's file. */
export type TestReport = Readonly<{
  passed: number
  /** A file that failed as a whole counts as one, and so does a run that left no report or failed without naming one. */
  failed: readonly string[]
  skipped: readonly string[]
  durations: readonly Readonly<{ name: string; seconds: number }>[]
}>

/** Far above what they take on a slow machine; a run that is longer hangs. */
const MINUTES_MAX = { quick: 10, real: 60, alone: 20 }

export type TestProject = keyof typeof MINUTES_MAX

/** The step that runs a project of vitest, and where its report will be. */
export function testStep(project: TestProject): Readonly<{ step: Step; reportPath: string }> {
  const reportPath = join(ROOT, '.cache', 'reports', `${project}.json`)
  mkdirSync(dirname(reportPath), { recursive: true })
  // A run that dies must not be judged by the report of the one before it.
  rmSync(reportPath, { force: true })
  const args = ['run', '--project', project, '--reporter=default', '--reporter=json']
  return {
    step: {
      name: `${project} tests`,
      command: 'vitest',
      args: [...args, `--outputFile.json=${reportPath}`],
      minutesMax: MINUTES_MAX[project],
    },
    reportPath,
  }
}

/** Reads what vitest's JSON reporter left. `ok`: how the run itself ended. */
export function readTestReport(path: string, ok: boolean): TestReport {
  if (!existsSync(path)) {
    return { passed: 0, failed: ['the run of the tests ended without a report'], skipped: [], durations: [] }
  }
  const report = summarize(JSON.parse(readFileSync(path, 'utf8')))
  if (ok || report.failed.length > 0) return report
  return { ...report, failed: ['the run of the tests failed outside them (an unhandled error?)'] }
}

const REPORT = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['passed', 'failed']),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          // Vitest leaves the fields out of a test that never began.
          fullName: z.string(),
          status: z.string(),
          duration: z.number().nullish(),
        }),
      ),
    }),
  ),
})

/**
 * The report of vitest's JSON reporter in our terms. A test that did not run to its end is a failure, unless its name
 * says why it was skipped: vitest also calls those skipped whose set-up failed.
 */
export function summarize(json: unknown): TestReport {
  const failed: string[] = []
  const skipped: string[] = []
  const durations: { name: string; seconds: number }[] = []
  let passed = 0
  for (const file of REPORT.parse(json).testResults) {
    const path = relative(ROOT, file.name).split(sep).join('/')
    const failedBefore = failed.length
    for (const { fullName, status, duration } of file.assertionResults) {
      const name = `${path} ${fullName.trim()}`
      if (status === 'passed') passed += 1
      else if (status !== 'failed' && name.includes('[skipped: ')) skipped.push(name)
      else failed.push(status === 'failed' ? name : `${name} (did not run)`)
      durations.push({ name, seconds: (duration ?? 0) / 1000 })
    }
    // The file itself failed, before any of its tests had a name, or after all of them passed.
    if (file.status === 'failed' && failed.length === failedBefore)
      failed.push(`${path} ${file.message}`.trim())
  }
  return { passed, failed, skipped, durations }
}
