import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGroups, type Groups } from '../../../gateway/log/groups.ts'
import type { Assignment, TopicPartition } from '../../../gateway/log/port.ts'

test('gives each partition to one member, evenly, whoever comes and goes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.oneof(fc.constant('join'), fc.constant('rebalance'), fc.nat(5)), { maxLength: 20 }),
      async (count, steps) => {
        const groups = makeGroups()
        const wanted = partitionsOf('t', count)
        const members: Member[] = []
        for (const step of steps) {
          if (step === 'join') members.push(join(groups, wanted))
          else if (step === 'rebalance') groups.rebalance()
          else members.splice(Number(step), 1)[0]?.leave()
          await settled()
          if (members.length === 0) continue
          const shares = members.map((member) => member.owned())
          expect(shares.flat().sort()).toEqual(wanted.map(({ partition }) => `t/${partition}`).sort())
          const sizes = shares.map(({ length }) => length)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('gives members only the topics that they asked for', async () => {
  const groups = makeGroups()
  const both = join(groups, [...partitionsOf('a', 3), ...partitionsOf('b', 3)])
  const one = join(groups, partitionsOf('b', 3))
  await settled()
  expect(both.owned().sort()).toEqual(['a/0', 'a/1', 'a/2'])
  expect(one.owned().sort()).toEqual(['b/0', 'b/1', 'b/2'])
})

test('moves no partition that may stay', async () => {
  const groups = makeGroups()
  const first = join(groups, partitionsOf('t', 6))
  await settled()
  const before = first.all()
  join(groups, partitionsOf('t', 6))
  await settled()
  expect(before.filter(({ signal }) => !signal.aborted)).toHaveLength(3)
  expect(first.all()).toHaveLength(6)
})

test('takes a partition away before it gives it to another, also from one that leaves while it is taken', async () => {
  const groups = makeGroups()
  const first = join(groups, partitionsOf('t', 4))
  await settled()
  for (const { signal } of first.all()) signal.addEventListener('abort', () => first.leave())
  const second = join(groups, partitionsOf('t', 4))
  const third = join(groups, partitionsOf('t', 4))
  await settled()
  expect(first.owned()).toEqual([])
  expect([...second.owned(), ...third.owned()].sort()).toEqual(['t/0', 't/1', 't/2', 't/3'])
})

test('does not give a partition that was taken back before the member looked', async () => {
  const groups = makeGroups()
  const controller = new AbortController()
  const lazy = groups.join('g', partitionsOf('t', 2), controller.signal)[Symbol.asyncIterator]()
  const { value: first } = await lazy.next()
  join(groups, partitionsOf('t', 2))
  await settled()
  expect(first.signal.aborted).toBe(false)
  const next = lazy.next()
  controller.abort()
  expect((await next).done).toBe(true)
})

type Member = Readonly<{ owned(): string[]; all(): readonly Assignment[]; leave(): void }>

function join(groups: Groups, partitions: readonly TopicPartition[]): Member {
  const controller = new AbortController()
  const all: Assignment[] = []
  void (async () => {
    for await (const assignment of groups.join('g', partitions, controller.signal)) all.push(assignment)
  })()
  return {
    all: () => all,
    owned: () =>
      all.filter(({ signal }) => !signal.aborted).map(({ topic, partition }) => `${topic}/${partition}`),
    leave: () => controller.abort(),
  }
}

function makeGroups(): Groups {
  return createGroups({ position: async () => null, follow: async function* () {} })
}

function partitionsOf(topic: string, count: number): readonly TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}

/** All microtasks have run when a macrotask comes. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
