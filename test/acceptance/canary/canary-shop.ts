import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect } from 'vitest'
import type { Ended } from '../../kit/gateway-process.ts'
import { readRecords } from '../../kit/log-reading.ts'
import type { Postgres } from '../../kit/services.ts'
import { type DingTalk, startDingTalk } from '../../lab/dingtalk/server.ts'
import { configOf, openShop, type Shop } from '../shop/shop.ts'
import { askSocket } from './ask-socket.ts'
import { type Canary, canary, keyCanary, type Sight } from './canaries.ts'
import { type DingTalkTap, tapDingTalk } from './dingtalk-tap.ts'
import { type LoudPostgres, loudPostgres } from './loud-postgres.ts'

/** A shop with a canary in every slot for a secret, and all that is seen of its gateway. */
export type CanaryShop = Shop &
  Readonly<{
    canaries: Readonly<Record<Slot, Canary>>
    dingtalk: DingTalk
    tap: DingTalkTap
    /** Everything that was seen so far; whoever sees more adds it. */
    sights: Sight[]
    /** From the next start on, what was a variable is a file, and what was a file a variable. */
    swapReferences(): void
    /** Runs a command to its end, however that is, and keeps what it said. */
    see(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Ended>
    /** One line to the control socket, and the answer as it comes over the wire. */
    ask(line: string): Promise<string>
    /** Adds what stands in the data folder and in the log now. */
    seeData(): Promise<void>
  }>

/** The slots of the config below, by the name of their variable or file. */
const SLOTS = {
  READER: 'password of the database',
  SEALED: 'password of the database that wants TLS',
  CA: 'certificate authority',
  TDS: 'password of the SQL Server',
  TDS_CA: 'certificate authority of the SQL Server',
  MY: 'password of the MySQL',
  MY_CA: 'certificate authority of the MySQL',
  CLIENT_ID: 'client id',
  CLIENT_SECRET: 'client secret',
  ROBOT: 'robot code',
  WEBHOOK: 'access token of the webhook',
  SIGN: 'signing secret of the webhook',
  CONVERSATION: 'conversation',
} as const

type Slot = keyof typeof SLOTS

const SLOT_NAMES = Object.keys(SLOTS) as readonly Slot[]

/** Of its slots every other one refers to a variable, and the rest to files. */
export async function openCanaryShop(postgres: Postgres): Promise<CanaryShop> {
  const canaries = Object.fromEntries(
    SLOT_NAMES.map((slot) => [slot, slot.endsWith('CA') ? keyCanary(SLOTS[slot]) : canary(SLOTS[slot])]),
  ) as Record<Slot, Canary>
  const dingtalk = await startDingTalk({ company: companyOf(canaries) })
  const tap = await tapDingTalk(dingtalk.origin)
  const sealed = await loudPostgres({ state: '28P01', says: (given) => given, tls: 'S' })
  const reader = await createReader(postgres, canaries.READER.value)
  const values = Object.fromEntries(
    SLOT_NAMES.map((slot): [Slot, string] => [slot, secretOf(slot, canaries[slot], tap.origin)]),
  ) as Record<Slot, string>
  const secrets = writeSecrets(values)
  const reference = (slot: Slot, isSwapped: boolean) =>
    (SLOT_NAMES.indexOf(slot) % 2 === 0) === isSwapped ? `"file:${secrets}/${slot}"` : `env:${slot}`
  const yaml = { first: '', swapped: '' }
  const shop = await openShop(postgres, {
    environment: values,
    config(given) {
      const connection = given.replace(/user: [^,]+, password: [^ ]+ /, `user: ${reader.name}, `)
      const at = { connection, origin: tap.origin, sealed }
      yaml.first = configWith((slot) => reference(slot, false), at)
      yaml.swapped = configWith((slot) => reference(slot, true), at)
      return yaml.first
    },
  })
  await shop.query(`GRANT SELECT ON article TO ${reader.name}`)
  const sights: Sight[] = []
  return {
    ...shop,
    canaries,
    dingtalk,
    tap,
    sights,
    swapReferences: () => shop.write('gateway.yaml', yaml.swapped),
    async see(args, environment = {}) {
      const ended = await shop.gateway.start(args, environment).ended
      sights.push({ place: `erpgw ${args.join(' ')}`, text: ended.out + ended.err })
      return ended
    },
    ask: (line) => askSocket(join(shop.folder, 'data', 'control.sock'), line),
    async seeData() {
      sights.push(...(await dataOf(join(shop.folder, 'data'))))
    },
    async [Symbol.asyncDispose]() {
      await shop[Symbol.asyncDispose]()
      await reader.drop()
      await Promise.all([tap.close(), sealed.close(), dingtalk.close()])
      rmSync(secrets, { recursive: true, force: true })
    },
  }
}

function configWith(
  reference: (slot: Slot) => string,
  at: Readonly<{ connection: string; origin: string; sealed: LoudPostgres }>,
): string {
  const more = `
people: { lan: { dingtalk: u1, company: 001 } }
dingtalk:
  region: custom
  api: ${at.origin}
  oapi: ${at.origin}
  app: { clientId: ${reference('CLIENT_ID')}, clientSecret: ${reference('CLIENT_SECRET')}, robotCode: ${reference('ROBOT')} }
  groups:
    buyers: { webhook: ${reference('WEBHOOK')}, secret: ${reference('SIGN')} }
    chat: { conversation: ${reference('CONVERSATION')} }
routes:
  all: { on: item, to: [{ group: buyers }, { group: chat }, { person: lan }], template: default, origins: [initial, live] }
`
  const connection = at.connection.replace(', }', `, password: ${reference('READER')} }`)
  return `${configOf(connection, more)}
  sealed:
    kind: database
    system: sealed
    company: 001
    zone: UTC
    connection:
      { engine: postgres, host: 127.0.0.1, port: ${at.sealed.port}, database: x, user: x, password: ${reference('SEALED')}, tls: { ca: ${reference('CA')} } }
    feeds:
      articles: { mapping: shop/item, table: article, key: [code], cursor: { strategy: snapshot } }
  my:
    kind: database
    system: my
    company: 001
    zone: UTC
    # What answers there speaks another protocol.
    connection:
      { engine: mysql, host: 127.0.0.1, port: ${at.sealed.port}, database: x, user: x, password: ${reference('MY')}, tls: { ca: ${reference('MY_CA')} } }
    feeds:
      articles: { mapping: shop/item, table: article, key: [code], cursor: { strategy: snapshot } }
  tds:
    kind: database
    system: tds
    company: 001
    zone: UTC
    connection:
      { engine: sqlserver, host: 127.0.0.1, port: ${at.sealed.port}, database: x, user: x, password: ${reference('TDS')}, tls: { ca: ${reference('TDS_CA')} } }
    feeds:
      articles: { mapping: shop/item, table: article, key: [code], cursor: { strategy: snapshot } }
`
}

function secretOf(slot: Slot, { value }: Canary, host: string): string {
  return slot === 'WEBHOOK' ? `${host}/robot/send?access_token=${encodeURIComponent(value)}` : value
}

function companyOf(canaries: Readonly<Record<Slot, Canary>>) {
  const value = (slot: Slot) => canaries[slot].value
  return {
    name: 'Canaries',
    apps: [
      {
        name: 'app',
        clientId: value('CLIENT_ID'),
        clientSecret: value('CLIENT_SECRET'),
        robotCode: value('ROBOT'),
      },
    ],
    users: [{ userId: 'u1', name: 'Lan', title: 'Buyer' }],
    groups: [
      {
        conversation: value('CONVERSATION'),
        name: 'Buyers',
        members: ['u1'],
        robots: [{ name: 'robot', token: value('WEBHOOK'), secret: value('SIGN'), keywords: [] }],
      },
    ],
  }
}

function writeSecrets(values: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-secrets-'))
  for (const [name, value] of Object.entries(values)) {
    writeFileSync(join(folder, name), `${value}\n`, { mode: 0o600 })
  }
  return folder
}

/** An account with this password; roles belong to the whole server, so it has to be taken away. */
async function createReader(postgres: Postgres, password: string) {
  const name = `canary_${process.pid}_${Date.now().toString(36)}`
  const administer = async (statement: string) => {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  await administer(`CREATE ROLE ${name} LOGIN PASSWORD ${pg.escapeLiteral(password)}`)
  return { name, drop: () => administer(`DROP ROLE ${name}`) }
}

async function dataOf(folder: string): Promise<readonly Sight[]> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
  expect(files.length).toBeGreaterThan(2)
  const records = await readRecords(folder, '')
  expect(records.length).toBeGreaterThan(0)
  const text = (bytes: Uint8Array | null) => (bytes === null ? '' : new TextDecoder().decode(bytes))
  return [
    ...files.map((path) => ({ place: `file ${path}`, text: readFileSync(path, 'latin1') })),
    ...records.map(({ topic, key, value }) => ({
      place: `record of ${topic}`,
      text: `${key} ${text(value)}`,
    })),
  ]
}

/**
 * The command lines of all processes below this one, looked at again and again; empty where the system shows none.
 * Stops when it is disposed of.
 */
export function watchCommandLines(): Readonly<{ seen: ReadonlySet<string>; [Symbol.dispose](): void }> {
  const seen = new Set<string>()
  const look = (pid: string): void => {
    try {
      seen.add(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      for (const child of children.trim().split(' ')) if (child !== '') look(child)
    } catch {
      // It has ended, or this system has no such folder.
    }
  }
  const timer = setInterval(() => look(String(process.pid)), 20)
  return { seen, [Symbol.dispose]: () => clearInterval(timer) }
}
