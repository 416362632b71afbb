import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGovernor, type Grant } from '../../../gateway/dingtalk/governor.ts'

const WINDOW = { calls: 20, ms: 60_000 }

function clock() {
  let ms = 0
  return {
    runtime: { mono: () => BigInt(Math.round(ms * 1_000)) * 1_000n, float: () => 0 },
    pass: (by: number) => {
      ms += by
    },
    now: () => ms,
  }
}

function grantOf(taken: ReturnType<ReturnType<typeof createGovernor>['take']>): Grant | null {
  return 'grant' in taken ? taken.grant : null
}

test('never lets 21 calls reach a webhook in any 60 seconds, whenever each arrives between its grant and its end', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: 9_000 }),
          fc.integer({ min: 1, max: 15_000 }),
          fc.double({ min: 0, max: 1, noNaN: true }),
        ),
        { maxLength: 150 },
      ),
      (plan) => {
        const { runtime, pass, now } = clock()
        const governor = createGovernor(runtime)
        const arrivals: number[] = []
        const open: { at: number; grant: Grant }[] = []
        for (const [waitMs, lastsMs, share] of plan) {
          const until = now() + waitMs
          for (const call of open.splice(0).sort((one, other) => one.at - other.at)) {
            if (call.at > until) {
              open.push(call)
              continue
            }
            pass(Math.max(0, call.at - now()))
            call.grant.done()
          }
          pass(Math.max(0, until - now()))
          const grant = grantOf(governor.take('webhook', WINDOW))
          if (grant === null) continue
          arrivals.push(now() + lastsMs * share)
          open.push({ at: now() + lastsMs, grant })
        }
        arrivals.sort((one, other) => one - other)
        for (const [place, at] of arrivals.entries()) {
          const later = arrivals[place + 20]
          if (later !== undefined) expect(later - at).toBeGreaterThanOrEqual(60_000)
        }
      },
    ),
  )
})

test('says when it is worth asking again, and keeps its word', () => {
  const { runtime, pass } = clock()
  const governor = createGovernor(runtime)
  for (let call = 0; call < 20; call += 1) grantOf(governor.take('webhook', WINDOW))?.done()
  const refused = governor.take('webhook', WINDOW)
  const again = 'again' in refused ? refused.again : null
  expect(again).not.toBeNull()
  pass(Number((again ?? 0n) / 1_000_000n) - 1)
  expect(grantOf(governor.take('webhook', WINDOW))).toBeNull()
  pass(1)
  expect(grantOf(governor.take('webhook', WINDOW))).not.toBeNull()
})

test('counts no call that was not made, and no channel for another', () => {
  const { runtime } = clock()
  const governor = createGovernor(runtime)
  for (let call = 0; call < 100; call += 1) grantOf(governor.take('webhook', WINDOW))?.cancel()
  for (let call = 0; call < 20; call += 1) expect(grantOf(governor.take('other', WINDOW))).not.toBeNull()
  expect(grantOf(governor.take('webhook', WINDOW))).not.toBeNull()
})

test('finds out with one call at a time whether a channel is well again', () => {
  const { runtime, pass } = clock()
  const governor = createGovernor(runtime)
  expect(governor.hold('webhook', 600_000)).toBe(600_000)
  expect(governor.take('webhook', WINDOW)).toEqual({ again: 600_000_000_000n })
  pass(600_000)
  const probe = grantOf(governor.take('webhook', WINDOW))
  expect(probe).not.toBeNull()
  expect(governor.take('webhook', WINDOW)).toEqual({ again: null })
  probe?.done()
  governor.answered('webhook')
  expect(grantOf(governor.take('webhook', WINDOW))).not.toBeNull()
  expect(grantOf(governor.take('webhook', WINDOW))).not.toBeNull()
})

test('doubles the pause from strike to strike up to a minute, but counts calls that fail together as one strike', () => {
  const { runtime, pass } = clock()
  const governor = createGovernor(runtime)
  expect([governor.hold('api', 1_000), governor.hold('api', 1_000)]).toEqual([1_000, 1_000])
  const pauses = [2, 3, 4, 5, 6, 7, 8, 9].map(() => {
    pass(600_000)
    return governor.hold('api', 1_000)
  })
  expect(pauses).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

test('counts calls that an earlier process made', () => {
  const { runtime, pass } = clock()
  pass(1_000_000)
  const governor = createGovernor(runtime)
  for (let call = 0; call < 20; call += 1) governor.remember('webhook', 50_000)
  expect(grantOf(governor.take('webhook', WINDOW))).toBeNull()
  pass(11_000)
  expect(grantOf(governor.take('webhook', WINDOW))).not.toBeNull()
})
