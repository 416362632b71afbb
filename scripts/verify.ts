import { summarizeAll } from './check/summary.ts'
import { readTestReport, testStep } from './check/test-report.ts'
import { check, printStep } from './check.ts'
import { runSteps } from './steps.ts'

const NODE_MAJOR = '24'

// The test command: the check, then the tests against real services, and what became of all of them.
const node = process.versions.node
if (node.split('.')[0] === NODE_MAJOR) {
  const checked = await check()
  const projects = [testStep('real'), testStep('alone')]
  const steps = projects.map(({ step }) => step)
  const results = await runSteps(steps, { atOnce: 1, show: true, done: printStep })
  const runs = projects.map(({ reportPath }, place) =>
    readTestReport(reportPath, results[place]?.ok ?? false),
  )
  const summary = summarizeAll(checked.steps, [checked.tests, ...runs])
  console.log(`\n${summary.text}`)
  process.exitCode = summary.failed === 0 ? 0 : 1
} else {
  console.error(
    `verify: this is Node ${node}, not ${NODE_MAJOR}; "npm ci && npm run verify" brings and takes the pinned one`,
  )
  console.log('0 passed, 1 failed, 0 skipped')
  process.exitCode = 1
}
