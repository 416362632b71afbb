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

const CREDENTIALS: Meaning = {
  code: 'ADAPTER_AUTH_FAILED',
  says: 'user or password were not accepted',
  advice: 'check `user`, the machine that it may come from, and what the reference in `password` leads to',
  tell: true,
}
const NOT_GRANTED: Meaning = {
  code: 'ADAPTER_AUTH_FAILED',
  advice: 'grant the account SELECT on it',
  tell: true,
}
const UNKNOWN_TABLE: Meaning = {
  code: 'ADAPTER_ENTITY_UNKNOWN',
  advice: 'check table and database',
  tell: true,
}
const WRONG_SELECT: Meaning = {
  code: 'ADAPTER_CONFIG_INVALID',
  advice: 'check the settings of the feed',
  tell: true,
}
const TOO_MANY: Meaning = {
  code: 'ADAPTER_THROTTLED',
  advice: 'the server is short of connections or memory',
}
const TOO_LONG: Meaning = { code: 'ADAPTER_TIMEOUT', advice: 'an index on the cursor columns may be missing' }
const BROKE: Meaning = { code: 'ADAPTER_UNREACHABLE', advice: 'the connection broke' }
const ENDING: Meaning = { code: 'ADAPTER_UNREACHABLE', advice: 'the server is starting or stopping' }
const MOVED: Meaning = { code: 'ADAPTER_SCHEMA_MOVED', advice: 'the table was altered while it was read' }
const BAD_VALUE: Meaning = {
  code: 'ADAPTER_CONFIG_INVALID',
  advice: 'a value does not fit its type',
  badValue: true,
}

/**
 * What the numbers of errors mean to the gateway (MySQL Server Error Message Reference; MariaDB Error Codes). `tell`: the
 * server's own words hold only names of ours and go into the message; elsewhere they may hold values of rows. `says`: the
 * same in plain words, since those of a server may be of any tongue.
 */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [1045, CREDENTIALS],
  [1698, CREDENTIALS],
  [
    1044,
    {
      code: 'ADAPTER_AUTH_FAILED',
      says: 'the account may not use the database',
      advice: 'check `database`, and grant the account SELECT on its tables',
      tell: true,
    },
  ],
  [
    1130,
    {
      code: 'ADAPTER_AUTH_FAILED',
      says: 'nobody may log in from this machine',
      advice: 'the account must be made for it: CREATE USER …@this machine',
      tell: true,
    },
  ],
  [
    1820,
    { code: 'ADAPTER_AUTH_FAILED', says: 'the password has expired', advice: 'set a new one', tell: true },
  ],
  [
    1862,
    { code: 'ADAPTER_AUTH_FAILED', says: 'the password has expired', advice: 'set a new one', tell: true },
  ],
  [3118, { code: 'ADAPTER_AUTH_FAILED', says: 'the account is locked', advice: 'unlock it', tell: true }],
  [4151, { code: 'ADAPTER_AUTH_FAILED', says: 'the account is locked', advice: 'unlock it', tell: true }],
  [
    1251,
    {
      code: 'ADAPTER_AUTH_FAILED',
      says: 'the account logs in by a method of old servers, which sends the password almost in the clear',
      advice: 'set its password anew with mysql_native_password or caching_sha2_password',
    },
  ],
  [
    3159,
    {
      code: 'ADAPTER_CONFIG_INVALID',
      says: 'the server takes encrypted connections only',
      advice: 'set `tls`',
    },
  ],
  [1142, NOT_GRANTED],
  [1143, NOT_GRANTED],
  [1227, NOT_GRANTED],
  [1370, NOT_GRANTED],
  [1410, NOT_GRANTED],
  [
    1049,
    {
      code: 'ADAPTER_CONFIG_INVALID',
      says: 'there is no such database',
      advice: 'check `database`',
      tell: true,
    },
  ],
  [1146, UNKNOWN_TABLE],
  [1109, UNKNOWN_TABLE],
  [
    1356,
    { code: 'ADAPTER_ENTITY_UNKNOWN', advice: 'the view needs what is not there or not granted', tell: true },
  ],
  [1054, { code: 'ADAPTER_ENTITY_UNKNOWN', advice: 'check the columns', tell: true }],
  [1052, WRONG_SELECT],
  [1060, WRONG_SELECT],
  [1064, WRONG_SELECT],
  [1193, WRONG_SELECT],
  [1235, WRONG_SELECT],
  [1267, WRONG_SELECT],
  [1305, WRONG_SELECT],
  [1792, { code: 'ADAPTER_CONFIG_INVALID', advice: 'a feed may only read', tell: true }],
  [1290, { code: 'ADAPTER_CONFIG_INVALID', advice: 'a feed may only read', tell: true }],
  [1264, BAD_VALUE],
  [1292, BAD_VALUE],
  [1690, BAD_VALUE],
  [1205, { code: 'ADAPTER_TIMEOUT', advice: 'somebody holds a lock on the table' }],
  [1213, { code: 'ADAPTER_UNREACHABLE', advice: 'the transaction was ended by the server' }],
  [1317, TOO_LONG],
  [1969, TOO_LONG],
  [3024, TOO_LONG],
  [1412, MOVED],
  [1615, MOVED],
  [1040, TOO_MANY],
  [1041, TOO_MANY],
  [1135, TOO_MANY],
  [1203, TOO_MANY],
  [1226, TOO_MANY],
  [1461, TOO_MANY],
  [1053, ENDING],
  [1079, ENDING],
  [1158, BROKE],
  [1159, BROKE],
  [1160, BROKE],
  [1161, BROKE],
  [1927, BROKE],
  [2013, BROKE],
  [4031, BROKE],
])

/** What the driver threw, as an AdapterError without values of rows and without the password. */
export function asAdapterError(error: unknown, target: string, password: string | undefined): AdapterError {
  const number = numberOf(error)
  const words = wordsOf(error, password)
  const cause = causeOf(error, password)
  if (number === null) return withoutAnswer(error, target, words, cause)
  const meaning = MEANINGS.get(number)
  const own = meaning?.tell === true ? words : `error ${number}`
  const told = meaning?.says === undefined ? own : `${meaning.says} (${own})`
  return new AdapterError(
    meaning?.code ?? 'ADAPTER_UNREACHABLE',
    `${target} answered: ${told}; ${meaning?.advice ?? 'look into the log of the server'}.`,
    { ...cause, details: { errno: number, ...(meaning?.badValue === true ? { badValue: true } : {}) } },
  )
}

/** An error of the client: there is no connection, or none that it could use. */
function withoutAnswer(
  error: unknown,
  target: string,
  words: string,
  cause: { cause?: unknown },
): AdapterError {
  if (codeOf(error).startsWith('AUTH_SWITCH_PLUGIN'))
    return new AdapterError(
      'ADAPTER_AUTH_FAILED',
      `${target} wants the account to log in by a method that is not supported (${words}); set its password anew with mysql_native_password or caching_sha2_password.`,
      cause,
    )
  const isTls = tlsTrouble(words) || codeOf(error).startsWith('HANDSHAKE_')
  return new AdapterError(
    isTls ? 'ADAPTER_CONFIG_INVALID' : 'ADAPTER_UNREACHABLE',
    `No connection to ${target}: ${connectionTrouble(error, words)}`,
    cause,
  )
}

/** The server's numbers begin at 1000; those of sockets are below 0. */
function numberOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errno' in error)) return null
  return typeof error.errno === 'number' && error.errno >= 1000 ? error.errno : null
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
