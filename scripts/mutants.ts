import MUTATION_LIST from '../test/mutations.json' with { type: 'json' }
import { isMutation, type Mutation } from '../test/simulation/simulate.ts'
import { failureText, type Outcome, runSeeds } from './simulate.ts'

/** A seed below this one must show that a guard is off. */
const SEEDS_MAX = 200
/** Seeds tried before the next look at whether one of them is enough. */
const SEEDS_AT_ONCE = 10

/**
 * The first seed that fails with the guard off and is clean with it on, or null. Only both together show that a checker
 * notices the guard and nothing else.
 */
async function firstCaught(mutation: Mutation, seedsMax: number): Promise<Outcome | null> {
  for (let from = 0; from < seedsMax; from += SEEDS_AT_ONCE) {
    const seeds = Array.from({ length: Math.min(SEEDS_AT_ONCE, seedsMax - from) }, (_, index) => from + index)
    const failing = (await runSeeds(seeds, mutation)).filter((outcome) => hasFailed(outcome, mutation))
    for (const outcome of failing) {
      const [clean] = await runSeeds([outcome.seed], null)
      if (clean !== undefined && !hasFailed(clean, null)) return outcome
    }
  }
  return null
}

function hasFailed(outcome: Outcome, mutation: Mutation | null): boolean {
  return failureText(outcome, mutation) !== null
}

async function main(): Promise<void> {
  const missed: string[] = []
  for (const { name, guard } of MUTATION_LIST) {
    if (!isMutation(name)) throw new Error(`test/mutations.json names "${name}", which no build honours.`)
    const caught = await firstCaught(name, SEEDS_MAX)
    if (caught === null) missed.push(name)
    const text = caught === null ? 'NOT CAUGHT' : failureText(caught, name)
    console.log(`${name} (${guard})\n${text}\n`)
  }
  console.log(`mutants: ${MUTATION_LIST.length - missed.length} caught, ${missed.length} not`)
  for (const name of missed) console.log(`no seed below ${SEEDS_MAX} shows ${name}`)
  process.exitCode = missed.length === 0 ? 0 : 1
}

if (import.meta.main) await main()
