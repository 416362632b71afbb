/** What codes of sockets mean, and what to look at. */
const SOCKET_MEANINGS: Readonly<Record<string, readonly [says: string, advice: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'does the server run, and are `host` and `port` right?'],
  EHOSTUNREACH: ['no way leads there', 'is the network up, and is `host` right?'],
  ENETUNREACH: ['no way leads there', 'is the network up, and is `host` right?'],
  ETIMEDOUT: ['nobody answers there', 'does a firewall stand between, and are `host` and `port` right?'],
  ECONNRESET: ['the other side hung up', 'does a database listen on `port`, with or without `tls` as set?'],
}

/** The words of what a driver threw, on one line, without the password. */
export function wordsOf(error: unknown, password: string | undefined): string {
  const words = error instanceof Error ? error.message : String(error)
  const said = words.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/\.$/, '')
  return password === undefined || password === '' ? said : said.replaceAll(password, '***')
}

/** What may stand as the cause of an error: not what shows the password. */
export function causeOf(error: unknown, password: string | undefined): { cause?: unknown } {
  const words = error instanceof Error ? error.message : String(error)
  return password !== undefined && password !== '' && words.includes(password) ? {} : { cause: error }
}

/** Why there is no connection, in plain words; `words` are the driver's. */
export function connectionTrouble(error: unknown, words: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const meaning = SOCKET_MEANINGS[code]
  return meaning === undefined ? `${words}.` : `${meaning[0]} (${words}); ${meaning[1]}`
}

/** Whether the words of a driver speak of TLS, which the settings must mend. */
export function tlsTrouble(words: string): boolean {
  return /certificate|does not support SSL|altnames|self[- ]signed/i.test(words)
}
