import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { summarizeAll } from '../../scripts/check/summary.ts'
import { readTestReport, summarize, type TestReport } from '../../scripts/check/test-report.ts'
import { ROOT, runSteps, type StepResult } from '../../scripts/steps.ts'

const CLEAN: TestReport = { passed: 3, failed: [], skipped: [], durations: [] }

describe('a report of tests', () => {
  test('sorts tests by what became of them, and counts one that did not end as failed', () => {
    const report = summarize({
      testResults: [
        fileOf('lane.test.ts', 'failed', [
          { fullName: 'reads', status: 'passed', duration: 1500 },
          { fullName: 'writes', status: 'failed', duration: 2 },
          { fullName: 'needs [skipped: no data]', status: 'skipped' },
          { fullName: 'hangs', status: 'run' },
        ]),
      ],
    })
    expect(report).toMatchObject({
      passed: 1,
      failed: ['test/lane.test.ts writes', 'test/lane.test.ts hangs (did not run)'],
      skipped: ['test/lane.test.ts needs [skipped: no data]'],
    })
    expect(report.durations).toContainEqual({ name: 'test/lane.test.ts reads', seconds: 1.5 })
  })

  test('counts a file that failed as a whole', () => {
    const report = summarize({
      testResults: [
        { ...fileOf('lane.test.ts', 'failed', []), message: 'cannot be read' },
        fileOf('after.test.ts', 'failed', [{ fullName: 'works', status: 'passed' }]),
      ],
    })
    expect(report.failed).toEqual(['test/lane.test.ts cannot be read', 'test/after.test.ts'])
  })

  test('counts tests as failed that were skipped without a reason, as those are whose set-up failed', () => {
    const tests = [{ fullName: 'reads', status: 'skipped' }]
    const report = summarize({ testResults: [fileOf('lane.test.ts', 'failed', tests)] })
    expect(report).toMatchObject({ failed: ['test/lane.test.ts reads (did not run)'], skipped: [] })
  })

  test('counts a run that left none', () => {
    expect(readTestReport(join(ROOT, '.cache', 'no-such-report.json'), false).failed).toHaveLength(1)
  })
})

describe('the summary', () => {
  test('ends with the sums over all runs', () => {
    const { text, failed } = summarizeAll([], [CLEAN, { ...CLEAN, skipped: ['a', 'b'] }])
    expect(text.split('\n').at(-1)).toBe('6 passed, 0 failed, 2 skipped')
    expect(failed).toBe(0)
  })

  test('counts a failed step that is no run of tests', () => {
    const { text, failed } = summarizeAll([stepResult('types', false), stepResult('tidy', true)], [CLEAN])
    expect(text).toContain('failed:\n  types\n')
    expect(text).toMatch(/\n3 passed, 1 failed, 0 skipped$/)
    expect(failed).toBe(1)
  })

  test('shows the ten slowest tests and every skipped one with its reason', () => {
    const durations = Array.from({ length: 30 }, (_, index) => ({ name: `test ${index}`, seconds: index }))
    const { text } = summarizeAll([], [{ ...CLEAN, durations, skipped: ['sap [skipped: no server]'] }])
    expect(text.match(/ s test \d+/g)).toHaveLength(10)
    expect(text).toContain('29.0 s test 29')
    expect(text).toContain('skipped:\n  sap [skipped: no server]')
  })
})

describe('steps', () => {
  const minutesMax = 1

  test('all run, whatever fails before them', async () => {
    const steps = [
      {
        name: 'fails',
        command: 'node',
        args: ['--eval', 'console.error("why"); process.exit(3)'],
        minutesMax,
      },
      { name: 'is not there', command: 'no-such-program', args: [], minutesMax },
      { name: 'works', command: 'node', args: ['--eval', 'console.log("fine")'], minutesMax },
    ]
    const told: string[] = []
    const results = await runSteps(steps, { atOnce: 2, done: ({ name }) => told.push(name) })
    expect(told.toSorted()).toEqual(['fails', 'is not there', 'works'])
    expect(results).toContainEqual(expect.objectContaining({ name: 'fails', ok: false, output: 'why' }))
    expect(results).toContainEqual(expect.objectContaining({ name: 'is not there', ok: false }))
    expect(results).toContainEqual(expect.objectContaining({ name: 'works', ok: true, output: 'fine' }))
  })

  test('are ended with what they started when they hang', async () => {
    const child = `require('node:child_process').spawn(process.execPath, ['--eval', 'setInterval(() => 1, 99)'], { stdio: 'inherit' })`
    const step = { name: 'hangs', command: 'node', args: ['--eval', child], minutesMax: 0.01 }
    const [result] = await runSteps([step], { atOnce: 1, done: () => undefined })
    // Its output has ended, and so has the program that held it open.
    expect(result).toMatchObject({
      ok: false,
      output: expect.stringContaining('did not end within 0.01 min'),
    })
  })

  test('run on the pinned Node, wherever they are started from', async () => {
    const step = { name: 'node', command: 'node', args: ['--print', 'process.versions.node'], minutesMax }
    const [result] = await runSteps([step], { atOnce: 1, done: () => undefined })
    expect(result?.output).toMatch(/^24\./)
  })
})

describe('the test command', () => {
  const COMMAND = 'npm ci && npm run verify'

  test('is all that CI runs', () => {
    const lines = readFileSync(join(ROOT, '.ci', 'run'), 'utf8')
      .trim()
      .split('\n')
    expect(lines.at(-1)).toBe(COMMAND)
    expect(lines).toHaveLength(4)
  })

  test('is the one that the documents name', () => {
    const documents = ['README.md', 'CONTRIBUTING.md'].filter((name) => existsSync(join(ROOT, name)))
    for (const name of documents) expect(readFileSync(join(ROOT, name), 'utf8'), name).toContain(COMMAND)
  })

  test('refuses another Node than the pinned one, in words', () => {
    const refused = spawnSync(process.execPath, ['--import', pretendNode('20.11.0'), 'scripts/verify.ts'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('this is Node 20.11.0')
    expect(refused.stdout.trim()).toBe('0 passed, 1 failed, 0 skipped')
  })
})

test('every npm verb starts a file that is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const files = Object.values<string>(scripts).flatMap(
    (line) => /^node (\S+\.m?[jt]s)$/.exec(line)?.[1] ?? [],
  )
  expect(files).toContain('scripts/verify.ts')
  expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
})

describe('erpgw', () => {
  test('tells an old Node what it needs', () => {
    const launcher = join(ROOT, 'gateway', 'cli', 'erpgw.mjs')
    const refused = spawnSync(process.execPath, ['--import', pretendNode('22.1.0'), launcher], {
      encoding: 'utf8',
    })
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('erpgw needs Node 24 or newer; this is Node 22.1.0')
  })

  test('can be executed, and so can what CI runs', () => {
    for (const path of ['gateway/cli/erpgw.mjs', '.ci/run']) accessSync(join(ROOT, path), constants.X_OK)
  })
})

/** A module that makes the runtime that loads it give another version. */
function pretendNode(version: string): string {
  const module = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`
  return `data:text/javascript,${encodeURIComponent(module)}`
}

function fileOf(name: string, status: 'passed' | 'failed', assertionResults: readonly unknown[]) {
  return { name: join(ROOT, 'test', name), status, message: '', assertionResults }
}

function stepResult(name: string, ok: boolean): StepResult {
  return { name, ok, seconds: 1, output: '' }
}
