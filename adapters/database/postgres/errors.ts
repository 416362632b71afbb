import type { AdapterErrorCode } from '../../errors.ts'
import { AdapterError } from '../../errors.ts'
import { causeOf, connectionTrouble, tlsTrouble, wordsOf } from '../trouble.ts'

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

/** What the driver threw, as an AdapterError without values of rows and without the password. */
export function asAdapterError(error: unknown, target: string, password: string | undefined): AdapterError {
  const state = sqlStateOf(error)
  const words = wordsOf(error, password)
  const cause = causeOf(error, password)
  if (state === null)
    return new AdapterError(
      tlsTrouble(words) ? 'ADAPTER_CONFIG_INVALID' : 'ADAPTER_UNREACHABLE',
      `No connection to ${target}: ${connectionTrouble(error, words)}`,
      cause,
    )
  const meaning = MEANINGS.find(([prefix]) => state.startsWith(prefix))?.[1]
  const own = meaning?.tell === true ? words : `SQLSTATE ${state}`
  const told = meaning?.says === undefined ? own : `${meaning.says} (${own})`
  return new AdapterError(
    meaning?.code ?? 'ADAPTER_UNREACHABLE',
    `${target} answered: ${told}; ${meaning?.advice ?? 'look into the log of the server'}.`,
    { ...cause, details: { sqlState: state, ...(meaning?.badValue === true ? { badValue: true } : {}) } },
  )
}

function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  // Codes of sockets (ECONNRESET) stand in the same property; they have no digit in five places.
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) && /\d/.test(error.code)
    ? error.code
    : null
}
