import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { AdapterError } from '../../../adapters/errors.ts'
import { Source, type SourceOptions } from '../../../gateway/lane/source.ts'
import {
  atWork,
  createBench,
  decision,
  decisions,
  deleted,
  events,
  laneOf,
  runOnce,
  sourceOptionsOf,
  toyMapping,
  until,
  verb,
} from './lane-bench.ts'
import { put, putMany, type SessionChange } from './table-source.ts'

const pause = { verb: 'pause', feed: 'payments', decision } as const
const resume = { verb: 'resume', feed: 'payments', decision } as const

describe('a verb', () => {
  test('pauses a lane until another resumes it, also over a restart', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await verb(bench, { ...pause, feed: null })
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(0)
    await verb(bench, { ...resume, feed: null })
    await runOnce(bench)
    expect(await events(bench.log)).toHaveLength(1)
  })

  test('does not resume what only a decision lets go on, and says where to look [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.fields = { number: 'text' }
    put(bench.table, 'k1', { number: 'P1' })
    await verb(bench, pause)
    await verb(bench, resume)
    expect((await runOnce(bench)).hold?.code).toBe('SCHEMA_CHANGED')
    await verb(bench, pause)
    for (const feed of ['payments', null]) {
      await expect(verb(bench, { ...resume, feed })).rejects.toThrow(
        /erp\.payments is held: SCHEMA_CHANGED.*`erpgw decide erp payments`/,
      )
    }
    expect((await decisions(bench.log)).map(({ verb: said }) => said)).toEqual(['pause', 'resume', 'pause'])
    // Nothing of it was done: what the answer lets go on is still paused.
    const answer = await verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision })
    expect(answer).toMatchObject({ isPaused: true })
    await verb(bench, resume)
    expect((await runOnce(bench)).state).toBe('waiting')
  })

  test('resumes the other lanes of a source of which one is held', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.identity = 'toy/2'
    expect((await runOnce(bench)).hold?.code).toBe('IDENTITY_CHANGED')
    const one = sourceOptionsOf(bench)
    const stopping = new AbortController()
    const source = withRefunds(one, stopping.signal)
    const running = source.run('idle')
    await source.request({ ...pause, feed: null })
    await expect(source.request({ ...resume, feed: null })).rejects.toThrow('erp.payments is held')
    stopping.abort()
    await running
    const resumed = (await decisions(bench.log)).filter(({ verb: said }) => said === 'resume')
    expect(resumed).toMatchObject([{ lane: 'erp.refunds' }])
  })

  test('in the middle of a single run does not end it half-way [P1]', async () => {
    const bench = createBench()
    bench.table.page = 1
    putMany(bench.table, 10)
    await atWork(bench, 'once', {}, async (source) => {
      await source.request(resume)
      await until(() => laneOf(source).state === 'waiting')
    })
    expect(await events(bench.log)).toHaveLength(10)
  })

  test('that comes after the end is refused, and not kept waiting', async () => {
    const bench = createBench()
    const source = new Source(sourceOptionsOf(bench), new AbortController().signal)
    await source.run('once')
    await expect(source.request(resume)).rejects.toThrow('not at work any more')
  })

  test('that is refused leaves the lane open', async () => {
    const bench = createBench()
    let opened = 0
    const { log } = bench
    const counting = {
      ...log,
      writer(...args: Parameters<typeof log.writer>) {
        opened += 1
        return log.writer(...args)
      },
    }
    const ports = { ...bench.ports, log: counting }
    await atWork(bench, 'idle', { ports }, async (source) => {
      for (let tries = 0; tries < 3; tries += 1) {
        const decided = source.request({ verb: 'decide', feed: 'payments', allow: true, decision })
        await expect(decided).rejects.toThrow('nothing to decide')
      }
    })
    expect(opened).toBe(1)
  })

  test('is let in by a long pass of deletions, which then finds the rest again [P1 P2]', async () => {
    const bench = createBench()
    putMany(bench.table, 1_200)
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.clear()
    let reads = 0
    const { promise: atFirstRead, resolve: reached } = Promise.withResolvers<void>()
    const session: SessionChange = (inner) => ({
      // A complete look that comes once, as a file does.
      async *poll(feed, cursor, signal) {
        if (cursor !== '2|') yield* inner.poll(feed, cursor, signal)
      },
      async read() {
        reads += 1
        reached()
        return []
      },
    })
    await atWork(bench, 'run', { strategy: 'pass', session }, async (source) => {
      await atFirstRead
      await source.request(pause)
      expect(reads).toBe(1)
      expect(await deleted(bench.log)).toHaveLength(500)
      await source.request(resume)
      await until(() => laneOf(source).rows?.live === 0)
    })
    const told = await deleted(bench.log)
    expect(told).toHaveLength(1_200)
    expect(new Set(told).size).toBe(1_200)
  })
})

describe('a verb for a lane that is busy', () => {
  test('pauses it within a second while its source does not answer, and a resume reads on [P1 P6 F7]', async () => {
    const bench = createBench({ pace: 10 })
    putMany(bench.table, 3)
    let polls = 0
    const session: SessionChange = (inner) => ({
      async *poll(feed, cursor, signal) {
        polls += 1
        if (polls === 1) await new Promise(() => undefined)
        yield* inner.poll(feed, cursor, signal)
      },
    })
    await atWork(bench, 'run', { session }, async (source) => {
      await until(() => polls === 1)
      expect(laneOf(source).awaits?.what).toBe('poll')
      expect(await tookMs(() => source.request(pause))).toBeLessThan(1_000)
      await until(() => laneOf(source).state === 'paused')
      await source.request(resume)
      await until(() => laneOf(source).rows?.live === 3)
    })
    expect(await events(bench.log)).toHaveLength(3)
  })

  test('pauses it within a second while another lane of the source waits for an answer [P6 F7]', async () => {
    const bench = createBench({ pace: 10 })
    putMany(bench.table, 3)
    const one = sourceOptionsOf(bench, {
      session: (inner) => ({
        async *poll(feed, cursor, signal) {
          if (feed === 'payments') await new Promise(() => undefined)
          yield* inner.poll(feed, cursor, signal)
        },
      }),
    })
    const stopping = new AbortController()
    const source = withRefunds(one, stopping.signal)
    const running = source.run('run')
    await until(() => source.statuses().every(({ state }) => state === 'running'))
    expect(await tookMs(() => source.request({ ...pause, feed: 'refunds' }))).toBeLessThan(1_000)
    stopping.abort()
    await running
  })

  test('pauses it within a second while its mapping burns; what was not yet published is published after a resume [P1 P2 P6 F39]', async () => {
    const bench = createBench()
    bench.table.page = 200
    putMany(bench.table, 200)
    let millis = 50
    const mapping = toyMapping('v1', (data) => {
      burn(millis)
      return data
    })
    await atWork(bench, 'run', { mapping }, async (source) => {
      await until(() => laneOf(source).state === 'running')
      expect(await tookMs(() => source.request(pause))).toBeLessThan(1_000)
      expect(await events(bench.log)).toEqual([])
      millis = 0
      await source.request(resume)
      await until(() => laneOf(source).rows?.live === 200)
    })
    expect(await events(bench.log)).toHaveLength(200)
  })
})

/** Uses the processor for so long. */
function burn(millis: number): void {
  for (const began = performance.now(); performance.now() - began < millis; );
}

async function tookMs(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await run()
  return performance.now() - began
}

describe('a lane', () => {
  test('settles again what the source did not settle [P1]', async () => {
    const bench = createBench({ pace: 20 })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const settled: string[] = []
    const session: SessionChange = () => ({
      async settle(_feed, cursor) {
        settled.push(cursor)
        if (settled.length === 1) throw new AdapterError('ADAPTER_UNREACHABLE', 'The session broke.')
      },
    })
    await atWork(bench, 'run', { session }, async (source) => {
      await until(() => laneOf(source).lastRun !== null)
    })
    expect(settled.slice(0, 2)).toEqual(['1', '1'])
  })

  test('whose mapping burns leaves the loop to others, and ends when it is told to [P6 F39 F40]', async () => {
    const bench = createBench()
    bench.table.page = 200
    putMany(bench.table, 200)
    const mapping = toyMapping('v1', (data) => {
      burn(50)
      return data
    })
    await atWork(bench, 'run', { mapping }, async (source) => {
      await until(() => laneOf(source).state === 'running')
      for (let turn = 0; turn < 3; turn += 1) expect(await tookMs(() => setImmediate())).toBeLessThan(300)
    })
    expect(await events(bench.log)).toEqual([])
  })

  test('whose mapping burns takes less than half of a processor [P6 F39]', async () => {
    const bench = createBench()
    bench.table.page = 200
    putMany(bench.table, 200)
    const burnt = { ms: 0 }
    const mapping = toyMapping('v1', (data) => {
      burnt.ms += 20
      burn(20)
      return data
    })
    await atWork(bench, 'run', { mapping }, async (source) => {
      await until(() => laneOf(source).state === 'running')
      const before = burnt.ms
      const took = await tookMs(() => until(() => burnt.ms - before > 300))
      expect(burnt.ms - before).toBeLessThan(took / 2)
    })
  })

  test('that was fenced stops, also where it wanted to hold [P2 F5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await atWork(bench, 'run', {}, async (old) => {
      await until(() => laneOf(old).lastRun !== null)
      await runOnce(bench)
      bench.table.fields = { number: 'text' }
      put(bench.table, 'k1', { number: 'P1' })
      await until(() => laneOf(old).state === 'stopped')
      expect(laneOf(old)).toMatchObject({ stopped: { code: 'FENCED' }, hold: null })
    })
    expect(await events(bench.log)).toHaveLength(1)
  })

  test('makes one call of its adapter at a time, also when a run ends early', async () => {
    const bench = createBench()
    bench.table.page = 1
    putMany(bench.table, 12)
    let busy = 0
    let most = 0
    const enter = async () => {
      busy += 1
      most = Math.max(most, busy)
      await setImmediate()
      await setImmediate()
      busy -= 1
    }
    const session: SessionChange = (inner) => ({
      async identity() {
        await enter()
        return bench.table.identity
      },
      settle: enter,
      async *poll(feed, cursor, signal) {
        try {
          for await (const batch of inner.poll(feed, cursor, signal)) {
            await enter()
            yield batch
          }
        } finally {
          await enter()
        }
      },
    })
    await atWork(bench, 'run', { session }, async (source) => {
      for (let turn = 0; turn < 6; turn += 1) {
        await source.request(pause)
        await source.request(resume)
      }
      await until(() => laneOf(source).rows?.live === 12)
    })
    expect(most).toBe(1)
  })
})

/** A source of the bench with a second feed, `refunds`. */
function withRefunds(one: SourceOptions, signal: AbortSignal): Source {
  const { payments } = one.source.feeds
  if (payments === undefined) throw new Error('The bench has a feed called payments.')
  const feeds = { payments, refunds: { ...payments, name: 'refunds' } }
  const mappings = new Map(Object.keys(feeds).map((feed) => [feed, toyMapping()]))
  return new Source({ ...one, source: { ...one.source, feeds }, mappings }, signal)
}
