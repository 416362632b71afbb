import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfigTree } from '../../gateway/config/document.ts'
import { createFiles } from '../../gateway/node/files.ts'
import { readRecords } from '../kit/log-reading.ts'
import { describeWithService } from '../kit/services.ts'
import { canary, hits, slotsOfConfig, slotsOfSchema, written } from './canary/canaries.ts'
import { type CanaryShop, openCanaryShop, watchCommandLines } from './canary/canary-shop.ts'
import type { Answer, Tapped } from './canary/dingtalk-tap.ts'
import { kafkaLine, kafkaReference } from './canary/kafka-canaries.ts'
import { loudPostgres } from './canary/loud-postgres.ts'
import { addArticles } from './shop/shop.ts'
import { until } from './shop/until.ts'

/** Verbs that only look, as a person would try them one after another. */
const LOOKS = [
  ['status'],
  ['status', '--json'],
  ['check'],
  ['preview', 'erp', 'articles', '-n', '2'],
  ['preview', 'sealed', 'articles'],
  ['explain'],
  ['events', '--json', '-n', '500'],
  ['events', '-t', 'gateway.notices', '-n', '500'],
  ['events', '-t', 'gateway.cursors'],
  ['rejects'],
  ['rejects', '--raw'],
  ['decide', 'erp', 'articles'],
]

describeWithService('postgres', 'a canary in every slot for a secret', (postgres) => {
  test('is in every slot that the schema has, as a variable and as a file', async () => {
    await using shop = await openCanaryShop(postgres)
    const before = slotsIn(shop)
    shop.swapReferences()
    const swapped = slotsIn(shop)
    // Those of a log on Kafka have a test of their own (canary-kafka.atest.ts).
    const kafka = [null, '/secrets'].flatMap((folder) => {
      const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
      shop.write('gateway.yaml', `${kafkaLine('127.0.0.1:9092', '', kafkaReference(folder))}\n${config}`)
      const slots = slotsIn(shop)
      shop.write('gateway.yaml', config)
      return slots
    })
    const found = [...before, ...swapped, ...kafka].map(({ slot, from }) => `${slot} ${from}`)
    // A slot that is missing here has just come into the config: give it a canary in canary/canary-shop.ts.
    const wanted = slotsOfSchema().flatMap((slot) => [`${slot} env`, `${slot} file`])
    expect([...new Set(found)].sort()).toEqual(wanted.sort())
    // What the searches of the other tests can find: each way of writing one.
    const decoy = canary('decoy')
    for (const [form, text] of written(decoy.value)) {
      expect(hits([decoy], [{ place: form, text: `<${text}>` }]), form).not.toEqual([])
    }
  })

  test('is seen nowhere while all goes well, while DingTalk does not, and after kill -9', async () => {
    await using shop = await openCanaryShop(postgres)
    using processes = watchCommandLines()
    // No secret: it proves that the searches look where something is to be found.
    const decoy = canary('decoy')
    await addArticles(shop, 3)
    await shop.query('UPDATE article SET name = $1', [decoy.value])
    await shop.query(`INSERT INTO article VALUES ('poison', $1, $2, 1)`, [decoy.value, `no ${decoy.value}`])
    const running = shop.gateway.start(['run'])
    try {
      await until(async () => (await ends(shop)).length >= 9)
      for (const args of LOOKS) await shop.see(args)
      await shop.see(['pause', 'erp', '--reason', decoy.value])
      await shop.see(['resume', 'erp', '--reason', decoy.value])
      for (const line of ['{"verb":"status"}', '{"verb":"check","source":"sealed"}', 'x', '{"verb":"x"}']) {
        shop.sights.push({ place: 'control socket', text: await shop.ask(line) })
      }
      await trouble(shop)
    } finally {
      running.kill('SIGKILL')
    }
    const killed = await running.ended
    shop.sights.push({ place: 'run that was killed', text: killed.out + killed.err })
    await shop.seeData()
    // The next life asks for an access token, and is told all that it said.
    shop.tap.answer(TROUBLES[0])
    const second = shop.gateway.start(['run'])
    try {
      await shop.query(`INSERT INTO article VALUES ('second', $1, '0010', 1)`, [decoy.value])
      await until(async () => shop.tap.answered() > 1 && (await isTold(shop, 'second')))
      for (const args of LOOKS.slice(0, 3)) await shop.see(args)
    } finally {
      second.kill('SIGTERM')
    }
    const ended = await second.ended
    expect(ended.code, ended.err).toBe(0)
    shop.sights.push({ place: 'second run', text: ended.out + ended.err })
    await shop.seeData()
    shop.sights.push({ place: 'command lines', text: [...processes.seen].join('\n') })

    const tokens = [...shop.dingtalk.state.tokens.values()].map(({ token }) => ({
      name: 'access token of the app',
      value: token,
      parts: [token],
    }))
    expect(tokens).not.toEqual([])
    expect(hits([...Object.values(shop.canaries), ...tokens], shop.sights)).toEqual([])
    expect(shop.tap.requests.flatMap((request) => misplaced(shop, request))).toEqual([])
    const found = hits([decoy], shop.sights).join('\n')
    for (const place of [
      'erpgw events --json',
      'erpgw rejects --raw',
      'erpgw preview',
      'file ',
      'record of erp.item.v1',
      'record of gateway.rejects',
      ...(process.platform === 'linux' ? ['command lines'] : []),
    ])
      expect(found).toContain(place)
  })

  test('is seen nowhere while the database does not let us in, whatever it says', async () => {
    await using shop = await openCanaryShop(postgres)
    const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
    const wrong = canary('wrong password')
    shop.write('wrong', wrong.value)
    chmodSync(join(shop.folder, 'wrong'), 0o600)
    const tried = async (changed: string, ...verbs: readonly (readonly string[])[]) => {
      expect(changed).not.toBe(config)
      shop.write('gateway.yaml', changed)
      for (const args of [['check'], ...verbs]) {
        const ended = await shop.see(args)
        expect(ended.code, `${args.join(' ')}: ${ended.err}${ended.out}`).toBe(1)
      }
    }
    const [preview, once] = [
      ['preview', 'erp', 'articles'],
      ['run', '--once'],
    ]
    await tried(config.replace(READER, `password: "file:${shop.folder}/wrong"`), preview, once)
    await tried(config.replace(/(\berp:.*?)host: [^,]+/s, '$1host: no-such-host.invalid'))
    await tried(config.replace(/(\berp:.*?)port: \d+/s, '$1port: 1'))
    for (const state of ['28P01', '42P01', '57P03', 'XX000']) {
      const says = (password: string) =>
        `not ${written(password)
          .map(([, text]) => text)
          .join(' nor ')}`
      const loud = await loudPostgres({ state, says })
      try {
        const changed = config.replace(/(\berp:.*?)port: \d+/s, `$1port: ${loud.port}`)
        await tried(changed, ...(state === '42P01' ? [preview, once] : []))
        const { text } = shop.sights.findLast(({ place }) => place === 'erpgw check') ?? { text: '' }
        expect(text).toMatch(/answered: .*(\[secret\]|SQLSTATE)/)
      } finally {
        await loud.close()
      }
    }
    await shop.seeData()
    expect(hits([...Object.values(shop.canaries), wrong], shop.sights)).toEqual([])
  })

  test('is seen nowhere in what is said of a config with mistakes, though the secret itself stands there', async () => {
    await using shop = await openCanaryShop(postgres)
    const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
    const pasted = canary('pasted')
    const quoted = `'${pasted.value.replaceAll("'", "''")}'`
    const secret = /clientSecret: [^,]+/
    const webhook = /webhook: [^,]+/
    const sign = /secret: \S+ \}(?=\n +chat)/
    const address = `'${shop.tap.origin}/robot/send?access_token=${encodeURIComponent(pasted.value)}'`
    const open = join(shop.folder, 'open-secret')
    shop.write('open-secret', pasted.value)
    chmodSync(open, 0o644)
    const mistakes: readonly (readonly [RegExp, string])[] = [
      [READER, `password: ${quoted}`],
      [READER, `passwrd: ${quoted}`],
      [READER, `password: [${quoted}]`],
      [READER, `password: { value: ${quoted} }`],
      [READER, `password: ${quoted}, password: ${quoted}`],
      [READER, `password: env:NOT_SET_ANYWHERE`],
      [READER, `password: "file:${open}"`],
      [READER, `password: "file:relative"`],
      [READER, `password: 'env:A B ${pasted.value.replaceAll("'", "''")}'`],
      [READER, `password: ${quoted.slice(0, -1)}`],
      [READER, `password: *${pasted.value}`],
      [READER, `password: !${pasted.parts[0]} x`],
      [READER, `password: &${pasted.parts[0]} x`],
      [/tls: \{ ca: .*? \}/, `tls: ${quoted}`],
      [/ca: \S+/, `ca: ${quoted}`],
      [secret, `clientSecret: ${quoted}`],
      [secret, `clientSecrets: ${quoted}`],
      [/app: \{.*\}/, `app: ${quoted}`],
      [webhook, `webhook: ${address}`],
      [webhook, `webhok: ${address}`],
      [sign, `secret: ${quoted} }`],
      [/buyers: \{.*\}/, `buyers: ${address}`],
      [/buyers: \{.*\}/, `buyers: { secret: ${quoted} }`],
      [/groups:\n/, `groups: ${address}\n`],
    ]
    for (const [place, instead] of mistakes) {
      expect(config).toMatch(place)
      shop.write(
        'gateway.yaml',
        config.replace(place, () => instead),
      )
      const ended = await shop.see(['check'])
      expect(ended.code, `${instead}\n${ended.out}${ended.err}`).toBe(2)
    }
    // Other verbs read the config as `check` does; of the last mistake they say the same.
    for (const args of [['run'], ['explain'], ['status'], ['rejects']]) {
      expect((await shop.see(args)).code, args.join()).toBe(2)
    }
    expect(hits([pasted, ...Object.values(shop.canaries)], shop.sights)).toEqual([])
  })

  test('is seen nowhere when a driver throws it: in a lane, in a thread that dies of it, in a program that crashes', async () => {
    await using shop = await openCanaryShop(postgres)
    shop.write('saboteur.mjs', SABOTEUR)
    const sabotage = (how: string) => ({
      NODE_OPTIONS: `--import=${join(shop.folder, 'saboteur.mjs')}`,
      SABOTAGE: how,
    })
    for (const how of ['lane', 'thread']) {
      const running = shop.gateway.start(['run'], sabotage(how))
      try {
        await until(async () => {
          const { out } = await shop.see(['status'])
          return how === 'lane' ? /BUG: sabotage/.test(out) : /erp: .*sabotage/.test(out)
        })
        await shop.see(['status', '--json'])
        await shop.see(['preview', 'erp', 'articles'])
      } finally {
        running.kill('SIGTERM')
      }
      const { out, err } = await running.ended
      expect(err).toContain(how === 'lane' ? '    at ' : 'sabotage')
      shop.sights.push({ place: `run with a sabotaged ${how}`, text: out + err })
    }
    const crashed = await shop.see(['check'], sabotage('thread'))
    expect(crashed.code).toBe(1)
    expect(crashed.err).toMatch(/sabotage: \[secret\].* {4}at .*A bug ended the program/)
    expect((await shop.see(['check'], sabotage('lane'))).out).toContain('sabotage')
    await shop.seeData()
    expect(hits(Object.values(shop.canaries), shop.sights)).toEqual([])
  })
})

/** The password of the source `erp` in the config. */
const READER = /password: (env:|"file:[^"]+\/)READER"?/

function slotsIn({ folder }: CanaryShop) {
  const { tree } = readConfigTree(join(folder, 'gateway.yaml'), createFiles())
  return tree === null ? [] : slotsOfConfig(tree)
}

/** Notices of a group, conversation or person that have an end. */
async function ends(shop: CanaryShop): Promise<readonly string[]> {
  const records = await readRecords(join(shop.folder, 'data'), 'gateway.notices').catch(() => [])
  const texts = records.map(({ value }) => (value === null ? '' : new TextDecoder().decode(value)))
  return texts.filter((text) => /"state":"(sent|failed|unknown)"/.test(text))
}

/** Whether all three who are told of an article have an answer to it. */
async function isTold(shop: CanaryShop, code: string): Promise<boolean> {
  return (await ends(shop)).filter((text) => text.includes(`/${code}"`)).length >= 3
}

/** DingTalk refuses, breaks, babbles, and repeats what it was sent; one article for each. */
async function trouble(shop: CanaryShop): Promise<void> {
  for (const [index, answer] of TROUBLES.entries()) {
    shop.tap.answer(answer)
    await shop.query(`INSERT INTO article VALUES ($1, 'x', '0010', 1)`, [`trouble-${index}`])
    await until(() => isTold(shop, `trouble-${index}`))
  }
}

/** What was sent, the part with the secret first. Behind so many signs, what is kept of a reason ends in its middle. */
function echo({ url, headers, body }: Tapped, ahead = 0): string {
  const { 'x-acs-dingtalk-access-token': token = '' } = JSON.parse(headers) as Record<string, string>
  const query = new URL(url, 'http://x').searchParams
  return `${'.'.repeat(ahead)}${[query.get('access_token') ?? '', token, body, url, headers].join(' ')}`
}

function refusal(request: Tapped, message: string): string {
  return JSON.stringify(
    request.url.startsWith('/robot/send') ? { errcode: 300_001, errmsg: message } : { code: 'odd', message },
  )
}

const TROUBLES: readonly [Answer, ...Answer[]] = [
  (request) => ({ status: 403, body: refusal(request, echo(request)) }),
  (request) => ({ status: 200, body: refusal(request, echo(request, 270)) }),
  (request) => ({ status: 400, body: refusal(request, encodeURIComponent(echo(request))) }),
  (request) => ({ status: 500, body: echo(request), type: 'text/plain' }),
  (request) => ({ status: 200, body: echo(request), type: 'text/plain' }),
]

/** What a request carries that its call does not need. */
function misplaced({ canaries }: CanaryShop, { url, headers, body }: Tapped): readonly string[] {
  const { WEBHOOK, CLIENT_ID, CLIENT_SECRET, ROBOT, CONVERSATION } = canaries
  const needs = {
    '/robot/send': { inQuery: [WEBHOOK], inBody: [] },
    '/v1.0/oauth2/accessToken': { inQuery: [], inBody: [CLIENT_ID, CLIENT_SECRET] },
    '/v1.0/robot/oToMessages/batchSend': { inQuery: [], inBody: [ROBOT] },
    '/v1.0/robot/groupMessages/send': { inQuery: [], inBody: [ROBOT, CONVERSATION] },
  }
  const path = new URL(url, 'http://x').pathname
  const need = needs[path as keyof typeof needs] ?? { inQuery: [], inBody: [] }
  const others = (needed: readonly unknown[]) =>
    Object.values(canaries).filter((one) => !needed.includes(one))
  return [
    ...hits(others(need.inQuery), [{ place: `query of ${path}`, text: url }]),
    ...hits(others(need.inBody), [{ place: `body for ${path}`, text: body }]),
    ...hits(Object.values(canaries), [{ place: `headers for ${path}`, text: headers }]),
  ]
}

/** Loaded into every thread of the program: a driver of PostgreSQL that gives away its password in all its words. */
const SABOTEUR = `
import pg from ${JSON.stringify(import.meta.resolve('pg'))}
const Client = pg.Client
pg.Client = class extends Client {
  constructor(settings) {
    super(settings)
    const { password } = settings
    const bytes = Buffer.from(password ?? '')
    const words = [password, JSON.stringify({ password }), encodeURIComponent(password), bytes.toString('base64')]
    const error = new Error('sabotage: ' + [...words, bytes.toString('hex')].join(' '))
    if (process.env.SABOTAGE === 'lane') throw error
    setImmediate(() => {
      throw error
    })
  }
}
`
