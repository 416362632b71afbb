import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import SEEDS from '../test/simulation/seeds.json' with { type: 'json' }
import {
  isMutation,
  MUTATIONS,
  type Mutation,
  type Simulated,
  simulate,
} from '../test/simulation/simulate.ts'

const HELP = `Runs the whole house in virtual time, one run for each seed, and judges every run.

  npm run simulate -- --seeds 200             seeds 0 to 199, and those that ever failed
  npm run simulate -- --seeds 100 --from 5000 seeds 5000 to 5099, and those that ever failed
  npm run simulate -- --seed 8127             one seed; what a failure's line says
  npm run simulate -- --seed 8127 --trace     and everything that happens in it
  npm run simulate -- --seeds 50 --mutation NAME   with a guard switched off: ${MUTATIONS.join(', ')}`

/** A seed, run and judged; `error` where it did not get that far. */
export type Outcome = Readonly<{ seed: number; result: Simulated } | { seed: number; error: string }>

/** The line that runs one seed again. */
function reproduce(seed: number, mutation: Mutation | null): string {
  return `npm run simulate -- --seed ${seed}${mutation === null ? '' : ` --mutation ${mutation}`}`
}

/**
 * Runs seeds, as many at a time as there are cores, and hands each over when it is judged; `until` ends the run early.
 * The outcomes come back in the order of the seeds.
 */
export async function runSeeds(
  seeds: readonly number[],
  mutation: Mutation | null,
  options: Readonly<{ judged?: (outcome: Outcome) => void; until?: (outcome: Outcome) => boolean }> = {},
): Promise<readonly Outcome[]> {
  const { judged = () => {}, until = () => false } = options
  const outcomes = new Map<number, Outcome>()
  const waiting = [...seeds]
  const work = async (): Promise<void> => {
    let worker = new Worker(new URL(import.meta.url))
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const outcome = await ask(worker, { seed, mutation })
      if ('error' in outcome) {
        await worker.terminate()
        worker = new Worker(new URL(import.meta.url))
      }
      outcomes.set(seed, outcome)
      judged(outcome)
      if (until(outcome)) waiting.length = 0
    }
    await worker.terminate()
  }
  await Promise.all(Array.from({ length: Math.min(seeds.length, availableParallelism()) }, work))
  return seeds.flatMap((seed) => outcomes.get(seed) ?? [])
}

/** What a failed seed prints: each violation in a sentence, and the line that shows it again. */
export function failureText(outcome: Outcome, mutation: Mutation | null): string | null {
  const { seed } = outcome
  const line = reproduce(seed, mutation)
  if ('error' in outcome) return `seed ${seed} did not come to its end: ${outcome.error}\n  ${line}`
  const { violations } = outcome.result
  if (violations.length === 0) return null
  const shown = violations.slice(0, SHOWN_MAX).map(({ checker, sentence }) => `  ${checker}: ${sentence}`)
  const more = violations.length > SHOWN_MAX ? [`  … and ${violations.length - SHOWN_MAX} more`] : []
  return [`seed ${seed} broke ${violations.length} promises:`, ...shown, ...more, `  ${line}`].join('\n')
}

const SHOWN_MAX = 5

type Question = Readonly<{ seed: number; mutation: Mutation | null }>

/** The answer of a worker, or that it died or goes on for ever. Then the worker is of no more use. */
function ask(worker: Worker, question: Question): Promise<Outcome> {
  return new Promise((resolve) => {
    const end = (outcome: Outcome) => {
      clearTimeout(timer)
      worker.off('message', end)
      worker.off('error', died)
      resolve(outcome)
    }
    const died = (error: unknown) => end({ seed: question.seed, error: textOf(error) })
    const timer = setTimeout(
      () => end({ seed: question.seed, error: `It was not done after ${SEED_MS_MAX} ms: it spins.` }),
      SEED_MS_MAX,
    )
    worker.once('message', end)
    worker.once('error', died)
    worker.postMessage(question)
  })
}

/** Of real time: a loop that never waits for anything cannot be stopped from within. */
const SEED_MS_MAX = 120_000

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

async function answer({ seed, mutation }: Question, echo?: (line: string) => void): Promise<Outcome> {
  try {
    const mutations = new Set(mutation === null ? [] : [mutation])
    return { seed, result: await simulate(seed, { mutations, ...(echo === undefined ? {} : { echo }) }) }
  } catch (error) {
    return { seed, error: textOf(error) }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string', default: '0' },
      seed: { type: 'string' },
      mutation: { type: 'string' },
      trace: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { mutation = null } = values
  if (values.help || (mutation !== null && !isMutation(mutation))) {
    console.log(HELP)
    process.exitCode = values.help ? 0 : 2
    return
  }
  if (values.seed !== undefined) return showOne(Number(values.seed), mutation, values.trace)
  const from = Number(values.from)
  const count = Number(values.seeds ?? '50')
  const fresh = Array.from({ length: count }, (_, index) => from + index)
  const seeds = [...new Set([...(mutation === null ? SEEDS : []), ...fresh])]
  await showMany(seeds, mutation)
}

async function showOne(seed: number, mutation: Mutation | null, isTraced: boolean): Promise<void> {
  const outcome = await answer({ seed, mutation }, isTraced ? console.log : undefined)
  const failure = failureText(outcome, mutation)
  console.log(failure ?? `seed ${seed} is clean`)
  if ('result' in outcome) console.log(`trace ${outcome.result.traceHash}, ${outcome.result.steps} steps`)
  process.exitCode = failure === null ? 0 : 1
}

async function showMany(seeds: readonly number[], mutation: Mutation | null): Promise<void> {
  const began = performance.now()
  const isTerminal = process.stdout.isTTY
  let done = 0
  let failed = 0
  const outcomes = await runSeeds(seeds, mutation, {
    judged(outcome) {
      done += 1
      const failure = failureText(outcome, mutation)
      if (isTerminal) process.stdout.write('\r\u001b[K')
      if (failure !== null) {
        failed += 1
        console.log(failure)
      }
      if (isTerminal) process.stdout.write(`${done} of ${seeds.length} seeds, ${failed} failed`)
    },
  })
  if (isTerminal) process.stdout.write('\r\u001b[K')
  const digest = createHash('sha256')
  const sum = { steps: 0, lives: 0, events: 0 }
  for (const outcome of outcomes) {
    digest.update(`${outcome.seed} ${'result' in outcome ? outcome.result.traceHash : 'failed'}\n`)
    if (!('result' in outcome)) continue
    sum.steps += outcome.result.steps
    sum.lives += outcome.result.lives
    sum.events += outcome.result.events
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(
    `simulate: ${seeds.length} seeds, ${failed} failed, ${sum.lives} lives, ${sum.events} events, ${sum.steps} steps in ${seconds} s, trace ${digest.digest('hex').slice(0, 16)}`,
  )
  process.exitCode = failed === 0 ? 0 : 1
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  // Every abort is an error with a stack that nobody reads: a tenth of the time. A single seed has them.
  Error.stackTraceLimit = 0
  port.on(
    'message',
    (question: Question) => void answer(question).then((outcome) => port.postMessage(outcome)),
  )
} else if (import.meta.main) {
  await main()
}
