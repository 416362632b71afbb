import type { AdapterErrorCode } from '../errors.ts'
import { AdapterError } from '../errors.ts'

type Meaning = Readonly<{
  code: AdapterErrorCode
  advice: string
  tell?: true
  says?: string
  badValue?: true
}>

/**
 * What SQLSTATEs mean to the gateway, longest prefix first (PostgreSQL manual, appendix A). `tell`: the server's own
 * words hold only names of ours and go into the message; elsewhere they may hold values of rows. `says`: the same in
 * plain words, since those of a server may be of any tongue.
 */
const MEANINGS: readonly (readonly [string, Meaning])[] = [
  ['42P01', { code: 'ADAPTER_ENTITY_UNKNOWN', advice: 'check table and schema', tell: true }],
  ['42703', { code: 'ADAPTER_ENTITY_UNKNOWN', advice: 'check the columns', tell: true }],
  ['3F000', { code: 'ADAPTER_ENTITY_UNKNOWN', advice: 'check the schema', tell: true }],
  ['42501', { code: 'ADAPTER_AUTH_FAILED', advice: 'grant the account SELECT on it', tell: true }],
  ['42', { code: 'ADAPTER_CONFIG_INVALID', advice: 'check the settings of the feed', tell: true }],
  [
    '28P01',
    {
      code: 'ADAPTER_AUTH_FAILED',
      says: 'the password was not accepted',
      advice: 'check `user` and what the reference in `password` leads to',
      tell: true,
    },
  ],
  [
    '28',
    {
      code: 'ADAPTER_AUTH_FAILED',
      says: 'the account may not log in',
      advice: 'check `user`, and pg_hba.conf of the server for this machine, database and account',
      tell: true,
    },
  ],
  [
    '3D000',
    {
      code: 'ADAPTER_CONFIG_INVALID',
      says: 'there is no such database',
      advice: 'check `database`',
      tell: true,
    },
  ],
  ['0A', { code: 'ADAPTER_CONFIG_INVALID', advice: 'check the select', tell: true }],
  ['25006', { code: 'ADAPTER_CONFIG_INVALID', advice: 'a feed may only read', tell: true }],
  ['22', { code: 'ADAPTER_CONFIG_INVALID', advice: 'a value does not fit its type', badValue: true }],
  ['57014', { code: 'ADAPTER_TIMEOUT', advice: 'an index on the cursor columns may be missing' }],
  ['55P03', { code: 'ADAPTER_TIMEOUT', advice: 'somebody holds a lock on the table' }],
  ['25P0', { code: 'ADAPTER_TIMEOUT', advice: 'the transaction took too long' }],
  ['40', { code: 'ADAPTER_UNREACHABLE', advice: 'the transaction was ended by the server' }],
  ['53', { code: 'ADAPTER_THROTTLED', advice: 'the server is short of connections or memory' }],
  ['57P0', { code: 'ADAPTER_UNREACHABLE', advice: 'the server is starting or stopping' }],
  ['08', { code: 'ADAPTER_UNREACHABLE', advice: 'the connection broke' }],
]

/** What codes of sockets mean, and what to look at. */
const SOCKET_MEANINGS: Readonly<Record<string, readonly [says: string, advice: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'does the server run, and are `host` and `port` right?'],
  EHOSTUNREACH: ['no way leads there', 'is the network up, and is `host` right?'],
  ENETUNREACH: ['no way leads there', 'is the network up, and is `host` right?'],
  ETIMEDOUT: ['nobody answers there', 'does a firewall stand between, and are `host` and `port` right?'],
  ECONNRESET: ['the other side hung up', 'does a database listen on `port`, with or without `tls` as set?'],
}

/** What the driver threw, as an AdapterError without values of rows and without the password. */
export function asAdapterError(error: unknown, target: string, password: string | undefined): AdapterError {
  const state = sqlStateOf(error)
  const words = error instanceof Error ? error.message : String(error)
  const cause = password !== undefined && words.includes(password) ? undefined : error
  if (state === null)
    return new AdapterError(
      tlsTrouble(words) ? 'ADAPTER_CONFIG_INVALID' : 'ADAPTER_UNREACHABLE',
      `No connection to ${target}: ${connectionTrouble(error, withheld(words, password))}`,
      cause === undefined ? {} : { cause },
    )
  const meaning = MEANINGS.find(([prefix]) => state.startsWith(prefix))?.[1]
  const own = meaning?.tell === true ? withheld(words, password) : `SQLSTATE ${state}`
  const told = meaning?.says === undefined ? own : `${meaning.says} (${own})`
  return new AdapterError(
    meaning?.code ?? 'ADAPTER_UNREACHABLE',
    `${target} answered: ${told}; ${meaning?.advice ?? 'look into the log of the server'}.`,
    {
      ...(cause === undefined ? {} : { cause }),
      details: { sqlState: state, ...(meaning?.badValue === true ? { badValue: true } : {}) },
    },
  )
}

function connectionTrouble(error: unknown, words: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const meaning = SOCKET_MEANINGS[code]
  return meaning === undefined ? `${words}.` : `${meaning[0]} (${words}); ${meaning[1]}`
}

function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  // Codes of sockets (ECONNRESET) stand in the same property; they have no digit in five places.
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) && /\d/.test(error.code)
    ? error.code
    : null
}

function tlsTrouble(words: string): boolean {
  return /certificate|does not support SSL|altnames|self[- ]signed/i.test(words)
}

function withheld(words: string, password: string | undefined): string {
  const said = words.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/\.$/, '')
  return password === undefined || password === '' ? said : said.replaceAll(password, '***')
}
