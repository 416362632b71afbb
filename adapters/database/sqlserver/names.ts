/** `[name]`. */
export function quote(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`
}

/** Parts are separated by dots; a part that holds a dot is written in brackets. `db..table` keeps its empty part. */
export function quoteTable(name: string): string {
  return partsOf(name)
    .map((part) => (part === '' ? '' : quote(part)))
    .join('.')
}

/** The catalog view of the database that the table lies in: `[other].sys.columns`, or `sys.columns`. */
export function catalog(table: string, view: string): string {
  const parts = partsOf(table)
  return parts.length < 3 ? `sys.${view}` : `${quote(parts.at(-3) ?? '')}.sys.${view}`
}

/** Inside a quoted text. */
export function literal(text: string): string {
  return text.replaceAll("'", "''")
}

function partsOf(name: string): readonly string[] {
  const parts = name.match(/\[(?:[^\]]|\]\])+\]|[^.[\]]+|(?<=\.)(?=\.)/g) ?? [name]
  return parts.map((part) => (part.startsWith('[') ? part.slice(1, -1).replaceAll(']]', ']') : part))
}
