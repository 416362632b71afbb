/** A count for people: `1,234,567`. */
export function grouped(count: number): string {
  return FORMAT.format(count)
}

const FORMAT = new Intl.NumberFormat('en')
