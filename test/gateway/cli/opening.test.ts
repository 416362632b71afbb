import { describe, expect, test } from 'vitest'
import type { OpenGateway, World } from '../../../gateway/cli/world.ts'
import { LogError } from '../../../gateway/log/errors.ts'
import { createLogger } from '../../../gateway/node/logger.ts'
import { createRedactor } from '../../../gateway/redactor.ts'
import { EPOCH_MS, simulatedRuntime } from '../../kit/simulated-runtime.ts'
import { erpgwIn, type Said, SITE } from './world.ts'

const HELD = 'Process 7 has been writing the log since 2026-11-24. Stop it first.'

type Scene = Readonly<{
  /** How often the log is held. */
  times: number
  ask?: World['ask']
  argv?: readonly string[]
}>

/** A gateway that has nothing to do, in a log that another process holds at first; and how long it took. */
async function run({
  times,
  ask = async () => null,
  argv = ['run', '--once'],
}: Scene): Promise<Said & { ms: number; opened: boolean }> {
  const simulated = simulatedRuntime('opening')
  let tries = 0
  let opened = false
  const said = erpgwIn(
    {
      ...SITE,
      runtime: simulated.runtime,
      ask,
      // What a run needs of a source is looked at before; this one is not reached.
      inspect: (() => ({ close: async () => undefined })) as unknown as World['inspect'],
      async open() {
        tries += 1
        if (tries <= times) throw new LogError('LOG_HELD', HELD)
        opened = true
        return idle
      },
    },
    ...argv,
  )
  let ended: Said | null = null
  void said.then((done) => {
    ended = done
  })
  await simulated.run(EPOCH_MS + 60_000, { stepsMax: 1_000, isDone: () => ended !== null })
  return { ...(await said), ms: simulated.now() - EPOCH_MS, opened }
}

const idle: OpenGateway = {
  gateway: {
    run: async () => undefined,
    once: async () => ({ lanes: [], trouble: null }),
    idle: async () => undefined,
    status: async () => ({
      gateway: 'test',
      since: '',
      log: { trouble: null },
      sources: [],
      publisher: null,
    }),
    request: async () => null,
  },
  logger: createLogger({
    write: () => undefined,
    isTerminal: false,
    redactor: createRedactor(),
    now: () => 0,
  }),
  serve: async () => undefined,
  close: async () => undefined,
}

describe('a data folder that cannot be', () => {
  test.each([['run'], ['pause', 'erp']])(
    'ends %s with the setting, its file and line, and why',
    async (...argv) => {
      const { code, err } = await erpgwIn(
        {
          ...SITE,
          ask: async () => null,
          inspect: (() => ({ close: async () => undefined })) as unknown as World['inspect'],
          makeDataFolder: (folder) => `${folder} is a file; name another folder`,
        },
        ...argv,
      )
      expect({ code, err }).toEqual({
        code: 1,
        err: '/site/gateway.yaml:4:7 data: /site/data is a file; name another folder\n',
      })
    },
  )

  test('is told by check in the same words', async () => {
    const { code, out } = await erpgwIn(
      {
        ...SITE,
        inspect: (() => ({
          close: async () => undefined,
          request: async () => ({ ok: true }),
        })) as unknown as World['inspect'],
        folderProblem: (folder) => `${folder} is a file; name another folder`,
      },
      'check',
    )
    expect(code).toBe(1)
    expect(out).toContain(
      '✗ data folder: /site/gateway.yaml:4:7 data: /site/data is a file; name another folder\n',
    )
  })
})

describe('a gateway whose log another erpgw process holds', () => {
  test('waits for it, with one line of explanation, and goes on', async () => {
    const { code, err, opened, ms } = await run({ times: 8 })
    expect({ code, opened }).toEqual({ code: 0, opened: true })
    expect(err).toBe('Another erpgw process holds the log; waiting up to 10 s for it to let go.\n')
    expect(ms).toBeLessThan(3_000)
  })

  test('gives up after ten seconds, with the reason', async () => {
    const { code, err, opened, ms } = await run({ times: 1_000 })
    expect({ code, opened }).toEqual({ code: 1, opened: false })
    expect(err).toContain(HELD)
    expect(ms).toBeGreaterThanOrEqual(10_000)
    expect(ms).toBeLessThan(11_000)
  })

  test('fails at once beside a gateway that answers', async () => {
    const { code, err, ms } = await run({ times: 1_000, ask: async () => ({ ok: true, value: null }) })
    expect({ code, ms }).toEqual({ code: 1, ms: 0 })
    expect(err).toBe(`${HELD}\n`)
  })

  test('takes one that takes the call and never answers for one that runs', async () => {
    const { code, ms } = await run({ times: 1_000, ask: () => new Promise(() => undefined) })
    expect(code).toBe(1)
    expect(ms).toBe(3_000)
  })

  test('hands a verb over to a gateway that was starting meanwhile', async () => {
    const asked: string[] = []
    const { code, out, opened } = await run({
      times: 1_000,
      argv: ['pause', 'erp'],
      async ask(_, { verb }) {
        asked.push(verb)
        return asked.length === 1 ? null : { ok: true, value: null }
      },
    })
    expect({ code, out, opened }).toEqual({ code: 0, out: 'paused\n', opened: false })
    expect(asked).toEqual(['pause', 'status', 'pause'])
  })

  test('waits for one that hangs up because it is ending', async () => {
    const { code, opened } = await run({ times: 3, ask: () => Promise.reject(new Error('closed')) })
    expect({ code, opened }).toEqual({ code: 0, opened: true })
  })
})
