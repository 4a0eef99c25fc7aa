// A constant matrix (winograd_scheme.h) or its transpose times vectors, unrolled. No include guard on purpose: it is
// included after simd.h, once per instruction set.

// One term of a sum of matrix entries times vectors; entries that are zero, one or minus one cost no product.
template <const auto& m, int row, int column, bool first>
FB_INLINE void addTerm(Vector& sum, Vector a) {
  constexpr float c = float(m.at[row][column]);
  if constexpr (first) sum = c == 1 ? a : c * a;
  else if constexpr (c == 1) sum += a;
  else if constexpr (c == -1) sum -= a;
  else sum += c * a;
}

// Of the terms of a row: all (0), those whose entry the next row has too (1), or has with the other sign (-1).
template <const auto& m, int row, int column, int kind>
constexpr bool takes() {
  if constexpr (m.at[row][column] == 0) return false;
  else if constexpr (kind == 0) return true;
  else return m.at[row + 1][column] == kind * m.at[row][column];
}

template <const auto& m, int row, int kind, bool first = true, int column = 0>
FB_INLINE void addRow(Vector& sum, const Vector* a) {
  if constexpr (column < m.columns) {
    constexpr bool here = takes<m, row, column, kind>();
    if constexpr (here) addTerm<m, row, column, first>(sum, a[column]);
    addRow<m, row, kind, first && !here, column + 1>(sum, a);
  }
}

// b = m a.
template <const auto& m, int row = 0>
FB_INLINE void expand(const Vector* a, Vector* b) {
  if constexpr (row < m.rows) {
    if constexpr (m.mirrored(row)) {
      Vector same{}, opposite{};
      addRow<m, row, 1>(same, a);
      addRow<m, row, -1>(opposite, a);
      b[row] = same + opposite;
      b[row + 1] = same - opposite;
      expand<m, row + 2>(a, b);
    } else {
      b[row] = Vector{};
      addRow<m, row, 0>(b[row], a);
      expand<m, row + 1>(a, b);
    }
  }
}

template <const auto& m, int row, bool paired, int column = 0>
FB_INLINE void addColumns(Vector same, Vector opposite, Vector* b) {
  if constexpr (column < m.columns) {
    if constexpr (m.at[row][column] != 0) {
      if constexpr (paired && takes<m, row, column, paired ? -1 : 0>()) addTerm<m, row, column, false>(b[column], opposite);
      else addTerm<m, row, column, false>(b[column], same);
    }
    addColumns<m, row, paired, column + 1>(same, opposite, b);
  }
}

// b = m' a.
template <const auto& m, int row = 0>
FB_INLINE void contract(const Vector* a, Vector* b) {
  if constexpr (row == 0)
    for (int j = 0; j < m.columns; j++) b[j] = Vector{};
  if constexpr (row < m.rows) {
    constexpr bool paired = m.mirrored(row);
    if constexpr (paired) addColumns<m, row, true>(a[row] + a[row + 1], a[row] - a[row + 1], b);
    else addColumns<m, row, false>(a[row], a[row], b);
    contract<m, row + 1 + paired>(a, b);
  }
}
