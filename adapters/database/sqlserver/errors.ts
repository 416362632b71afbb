import type { AdapterErrorCode } from '../../errors.ts'
import { AdapterError } from '../../errors.ts'
import { causeOf, connectionTrouble, tlsTrouble, wordsOf } from '../trouble.ts'

type Meaning = Readonly<{
  code: AdapterErrorCode
  advice: string
  says?: string
  tell?: true
  badValue?: true
}>

const UNKNOWN_ENTITY = (advice: string): Meaning => ({ code: 'ADAPTER_ENTITY_UNKNOWN', advice, tell: true })
const REFUSED = (says: string, advice: string): Meaning => ({
  code: 'ADAPTER_AUTH_FAILED',
  says,
  advice,
  tell: true,
})
const NOT_GRANTED: Meaning = {
  code: 'ADAPTER_AUTH_FAILED',
  advice: 'grant the account SELECT on it',
  tell: true,
}
const BAD_SELECT: Meaning = {
  code: 'ADAPTER_CONFIG_INVALID',
  advice: 'check the settings of the feed',
  tell: true,
}
const BAD_VALUE: Meaning = {
  code: 'ADAPTER_CONFIG_INVALID',
  advice: 'a value does not fit its type',
  badValue: true,
}
const ENDED: Meaning = { code: 'ADAPTER_UNREACHABLE', advice: 'the transaction was ended by the server' }
const SHORT: Meaning = {
  code: 'ADAPTER_THROTTLED',
  advice: 'the server is short of memory, workers or its quota',
}
const AWAY: Meaning = {
  code: 'ADAPTER_UNREACHABLE',
  advice: 'the server or the database is starting or stopping',
}

/**
 * What error numbers mean to the gateway (sys.messages). `tell`: the server's own words hold only names of ours and go
 * into the message; elsewhere they may hold values of rows. `says`: the same in plain words.
 */
const MEANINGS: readonly (readonly [readonly number[], Meaning])[] = [
  [[208, 2706, 4902], UNKNOWN_ENTITY('check table and schema')],
  [[207, 4104], UNKNOWN_ENTITY('check the columns')],
  [[229, 230, 262, 297, 300, 371], NOT_GRANTED],
  [
    [18456],
    REFUSED('the password was not accepted', 'check `user` and what the reference in `password` leads to'),
  ],
  [
    [18452, 18470, 18486],
    REFUSED(
      'the login may not be used',
      'ask the DBA whether it is a SQL Server login, enabled and not locked',
    ),
  ],
  [
    [18463, 18464, 18465, 18466, 18487, 18488],
    REFUSED('the password must be changed', 'ask the DBA for a login whose password does not expire'),
  ],
  [
    [911, 916, 4060, 4064, 40532],
    {
      code: 'ADAPTER_CONFIG_INVALID',
      says: 'there is no such database, or the login may not use it',
      advice: 'check `database`, and that the login is a user in it',
      tell: true,
    },
  ],
  [
    [156, 319],
    { ...BAD_SELECT, advice: 'a select stands inside another here, so it may not begin with WITH' },
  ],
  [[1033], { ...BAD_SELECT, advice: 'leave ORDER BY out of the select' }],
  [
    [468],
    {
      ...BAD_SELECT,
      advice:
        'a column has another collation than its database; a select with `COLLATE DATABASE_DEFAULT` gives it that one',
    },
  ],
  [[102, 170, 195, 206, 209, 306, 402, 403, 421, 529, 2812, 4121, 8155, 8156, 8158], BAD_SELECT],
  [
    [220, 232, 235, 241, 242, 244, 245, 248, 293, 295, 296, 517, 2628, 8114, 8115, 8152, 8169, 9807],
    BAD_VALUE,
  ],
  [[1222], { code: 'ADAPTER_TIMEOUT', advice: 'somebody holds a lock on the table' }],
  [[1205, 3960, 3961, 3966], ENDED],
  // The DBA took snapshot isolation away under our hands; the next connection does without.
  [
    [3951, 3952],
    { code: 'ADAPTER_UNREACHABLE', advice: 'the database allows no snapshots any more; it is read anew' },
  ],
  [[701, 1204, 3958, 3967, 8645, 9002, 10928, 10929, 40501, 40544, 49918, 49919, 49920], SHORT],
  [[921, 922, 924, 927, 942, 952, 976, 978, 983, 6005, 6006, 17142, 18401, 40197, 40613], AWAY],
]

/** What all errors of Babelfish have in common that it has no number of SQL Server for. */
const BABELFISH_OTHER = 33_557_097

/**
 * What the driver threw, as an AdapterError without values of rows and without the password. `loginNumber`: the last
 * error number that the server told while nobody was logged in, which the client library does not hand on.
 */
export function asAdapterError(
  error: unknown,
  of: Readonly<{ target: string; password: string | undefined; loginNumber: number | null }>,
): AdapterError {
  const { target, password } = of
  const words = wordsOf(error, password)
  const cause = causeOf(error, password)
  const code = codeOf(error)
  const number = numberOf(error) ?? (code === 'ELOGIN' ? of.loginNumber : null)
  if (number === null) return withoutNumber(error, { target, words, code }, cause)
  const meaning = meaningOf(number, words)
  const own = meaning?.tell === true ? words : `error ${number}`
  const told = meaning?.says === undefined ? own : `${meaning.says} (${own})`
  return new AdapterError(
    meaning?.code ?? 'ADAPTER_UNREACHABLE',
    `${target} answered: ${told}; ${meaning?.advice ?? 'look into the error log of the server'}.`,
    { ...cause, details: { number, ...(meaning?.badValue === true ? { badValue: true } : {}) } },
  )
}

function meaningOf(number: number, words: string): Meaning | undefined {
  if (number !== BABELFISH_OTHER) return MEANINGS.find(([numbers]) => numbers.includes(number))?.[1]
  if (/does not exist/.test(words)) return UNKNOWN_ENTITY('check table and columns')
  return /invalid input syntax|out of range|value too long/.test(words) ? BAD_VALUE : undefined
}

const OLD_TLS =
  /unsupported protocol|wrong version number|no protocols available|handshake failure|protocol version|(dh|ee|ca) key too small|md too weak|legacy sigalg/i

function withoutNumber(
  error: unknown,
  of: Readonly<{ target: string; words: string; code: string }>,
  cause: Readonly<{ cause?: unknown }>,
): AdapterError {
  const { target, words, code } = of
  if (OLD_TLS.test(words))
    return new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `No connection to ${target}: the server speaks only an old form of TLS (${words}); have its certificate and protocols renewed, or take them with \`tls.minimum\`, \`reason\` and \`until\`.`,
      cause,
    )
  if (code === 'ETIMEOUT')
    return new AdapterError(
      'ADAPTER_TIMEOUT',
      `${target} did not answer in time (${words}); an index on the cursor columns may be missing.`,
      cause,
    )
  const isSettings = code === 'EENCRYPT' || tlsTrouble(words)
  return new AdapterError(
    isSettings ? 'ADAPTER_CONFIG_INVALID' : 'ADAPTER_UNREACHABLE',
    `No connection to ${target}: ${connectionTrouble(rootOf(error), words)}`,
    cause,
  )
}

/** The library wraps what it was told, several times. */
function* chainOf(error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; ) {
    yield at
    at = 'originalError' in at ? at.originalError : at.cause
  }
}

function numberOf(error: unknown): number | null {
  for (const at of chainOf(error)) {
    const several = at instanceof AggregateError ? numberOf(at.errors[0]) : null
    if (several !== null) return several
    if ('number' in at && typeof at.number === 'number') return at.number
  }
  return null
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** The socket's own error, whose code says more. */
function rootOf(error: unknown): unknown {
  return [...chainOf(error)].at(-1) ?? error
}
