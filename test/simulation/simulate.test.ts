import { describe, expect, test } from 'vitest'
import MUTATION_LIST from '../mutations.json' with { type: 'json' }
import type { Plan } from './plan.ts'
import { isMutation, MUTATIONS, simulate } from './simulate.ts'

test('keeps every promise under faults, seed after seed', { timeout: 60_000 }, async () => {
  for (let seed = 0; seed < 5; seed++) {
    const { violations } = await simulate(seed)
    expect(violations, `npm run simulate -- --seed ${seed}`).toEqual([])
  }
})

test('keeps every promise while the clock steps by up to an hour, either way, every few minutes [F15]', {
  timeout: 60_000,
}, async () => {
  const alter = (plan: Plan) => ({ ...plan, clockStepEveryMs: 120_000 })
  for (let seed = 0; seed < 5; seed++) {
    const { violations } = await simulate(seed, { alter })
    expect(violations, `seed ${seed}`).toEqual([])
  }
})

test('gives the same trace for the same seed', { timeout: 60_000 }, async () => {
  const [first, again, other] = [await simulate(3), await simulate(3), await simulate(4)]
  expect(again.traceHash).toBe(first.traceHash)
  expect(other.traceHash).not.toBe(first.traceHash)
})

test('lists every guard that can be switched off', () => {
  expect(MUTATION_LIST.map(({ name }) => name).sort()).toEqual([...MUTATIONS].sort())
})

describe('notices when a guard is switched off', () => {
  for (const name of MUTATIONS) {
    test(name, { timeout: 120_000 }, async () => {
      expect(await firstFailingSeed(name)).not.toBeNull()
    })
  }
})

/** The first of the first seeds that fails with the guard off and is clean with it on. */
async function firstFailingSeed(name: string): Promise<number | null> {
  if (!isMutation(name)) return null
  for (let seed = 0; seed < 60; seed++) {
    const { violations } = await simulate(seed, { mutations: new Set([name]) })
    if (violations.length > 0 && (await simulate(seed)).violations.length === 0) return seed
  }
  return null
}
