/** A request as it came in; header names are lower case. */
export type WireRequest = Readonly<{
  method: string
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string | undefined>>
  body: string
}>

export type WireAnswer = Readonly<{ status: number; contentType: string; body: string }>

export function json(status: number, body: unknown): WireAnswer {
  return { status, contentType: 'application/json;charset=utf-8', body: JSON.stringify(body) }
}

export function readObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null
  } catch {
    return null
  }
}
