import type { Bench, Consumer } from './adapter-bench.ts'
import { differences, illegalError, keyAt, newConsumer, onBench } from './adapter-bench.ts'
import type { FaultMoment } from './adapter-faults.ts'
import { failureOf } from './adapter-reading-checks.ts'
import { CANARY, everythingIn } from './adapter-surroundings.ts'
import type { AdapterCheck, AdapterSubject } from './adapter-world.ts'

const NEVER = new AbortController().signal

/** Promises about failures, stopping, settling and looking without touching. */
export const TROUBLE_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'survives a failure at each call it makes',
    async run(subject) {
      const faults: string[] = []
      const every = subject.every ?? 1
      for (const moment of ['request', 'reply'] as const) {
        for (let at = moment === 'request' ? 1 : 1 + Math.floor(every / 2); ; at += every) {
          const answer = await failAt(subject, at, moment)
          if (answer === null) break
          faults.push(...answer)
          if (faults.length > 10) return faults
        }
      }
      return faults
    },
  },
  {
    name: 'stops when told to',
    run: (subject) =>
      onBench(subject, { filled: 7, batchRecordsMax: 1 }, async (bench) => {
        const faults: string[] = []
        const opened = await bench.open(newConsumer())
        const stop = new AbortController()
        const poll = opened.session.poll(bench.world.feed, null, stop.signal)[Symbol.asyncIterator]()
        await poll.next()
        stop.abort(new Error('The kit said stop.'))
        let more = 0
        const error = await failureOf(async () => {
          // One batch may have been on its way already.
          while ((await poll.next()).done !== true && more < 3) more += 1
        })
        if (more > 1) faults.push('goes on delivering after it was told to stop')
        if (error !== null && error !== stop.signal.reason) faults.push(...illegalError(error, 'stopping'))
        const calls = opened.watch.calls()
        await idle()
        if (opened.watch.calls() > calls) faults.push('goes on calling the source after it was told to stop')
        await opened.close()
        return faults
      }),
  },
  {
    name: 'reads ahead no further than one batch',
    async run(subject) {
      const options = { filled: 7, batchRecordsMax: 1 }
      const all = await onBench(subject, options, async (bench) => {
        const opened = await bench.open(newConsumer())
        await opened.drain()
        await opened.close()
        return opened.watch.calls()
      })
      return onBench(subject, options, async (bench) => {
        const opened = await bench.open(newConsumer())
        const stop = new AbortController()
        const poll = opened.session.poll(bench.world.feed, null, stop.signal)[Symbol.asyncIterator]()
        await poll.next()
        await idle()
        const early = opened.watch.calls()
        await poll.return?.()
        await opened.close()
        return early * 2 > all + 2
          ? [`made ${early} of ${all} calls when only the first of seven batches had been asked for`]
          : []
      })
    },
  },
  {
    name: 'previews without moving anything',
    run: (subject) =>
      onBench(subject, { filled: 5 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        const [first, second] = [
          await opened.session.preview(bench.world.feed, 2, NEVER),
          await opened.session.preview(bench.world.feed, 2, NEVER),
        ]
        await opened.drain()
        await opened.close()
        const faults = [...differences(bench, consumer)]
        if (first.length > 2) faults.push(`a preview of 2 gave ${first.length}`)
        if (first.length === 0) faults.push('a preview of a feed with records gave none')
        if (JSON.stringify(first) !== JSON.stringify(second)) faults.push('a second preview differs')
        const strange = first.filter((record) => !bench.truth.has(record.key))
        return [
          ...faults,
          ...strange.map((record) => `preview knows a record ${record.key} that poll does not`),
        ]
      }),
  },
  {
    name: 'settles twice as well as once',
    run: (subject) =>
      onBench(subject, { filled: 5 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        const { session } = opened
        await opened.drain()
        if (session.settle === undefined || consumer.cursor === null) return []
        await session.settle(bench.world.feed, consumer.cursor, NEVER)
        await session.settle(bench.world.feed, consumer.cursor, NEVER)
        const left = (await bench.world.unsettled?.()) ?? 0
        await bench.add(keyAt(bench, 5))
        await opened.drain()
        await opened.close()
        return left === 0 ? differences(bench, consumer) : [`${left} of what was delivered is not settled`]
      }),
  },
  {
    name: 'settles nothing beyond the cursor',
    async run(subject) {
      const options = { filled: 7, batchRecordsMax: 2 }
      const total = await onBench(subject, options, async (bench) => {
        const opened = await bench.open(newConsumer())
        const taken = await opened.drain()
        await opened.close()
        return opened.session.settle === undefined ? 0 : taken
      })
      const faults: string[] = []
      for (let cut = 1; cut <= total; cut += subject.every ?? 1)
        await onBench(subject, options, async (bench) => {
          const consumer = newConsumer()
          const opened = await bench.open(consumer)
          await opened.drain(cut)
          if (consumer.cursor !== null)
            await opened.session.settle?.(bench.world.feed, consumer.cursor, NEVER)
          await opened.drain()
          await opened.close()
          faults.push(...differences(bench, consumer).map((fault) => `settled after batch ${cut}: ${fault}`))
        })
      return faults
    },
  },
]

/** Null when there are fewer calls than that. */
async function failAt(
  subject: AdapterSubject,
  at: number,
  moment: FaultMoment,
): Promise<readonly string[] | null> {
  return onBench(subject, { filled: 5, batchRecordsMax: 2 }, async (bench) => {
    const consumer = newConsumer()
    const where = `the ${moment} of call ${at} was lost`
    const faults: string[] = []
    const fired = await attempt(bench, consumer, { at, moment }, where, faults)
    if (!fired) return null
    await attempt(bench, consumer, null, where, faults)
    if (consumer.unreadable.length > 0) faults.push(`${where}: a failure was handed over as unreadable`)
    return [...faults, ...differences(bench, consumer).map((fault) => `${where}: ${fault}`)]
  })
}

async function attempt(
  bench: Bench,
  consumer: Consumer,
  plan: Readonly<{ at: number; moment: FaultMoment }> | null,
  where: string,
  faults: string[],
): Promise<boolean> {
  const opened = await bench.open(consumer, plan)
  const error = await failureOf(async () => {
    await opened.drain()
    if (consumer.cursor !== null) await opened.session.settle?.(bench.world.feed, consumer.cursor, NEVER)
  })
  const fired = opened.watch.hasFired()
  if (error === null && fired && differences(bench, consumer).length > 0)
    faults.push(`${where}: the poll ended as if all had been read`)
  if (error !== null && !fired) faults.push(`${where}: the next session failed with ${String(error)}`)
  faults.push(...illegalError(error, where).filter(() => error !== null))
  const seen = [everythingIn(error), ...opened.logged]
  if (seen.some((text) => text.includes(CANARY))) faults.push(`${where}: a secret was shown`)
  await opened.close()
  return fired
}

/** Lets everything run that is not waiting for something from outside. */
async function idle(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve))
}
