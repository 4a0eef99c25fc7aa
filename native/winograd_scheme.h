// The matrices of Winograd's minimal filtering F(m x m, r x r) on tiles of n = m + r - 1 pixels a side (Lavin & Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2015): y = A'[(G w G') * (B' x B)]A, from the points at which
// the polynomials of Toom and Cook are taken. The last point is infinity.
#pragma once

namespace flybrick {

template <int rows_, int columns_>
struct Matrix {
  static constexpr int rows = rows_, columns = columns_;
  double at[rows][columns] = {};

  // Row and the next hold the same numbers, some with the other sign: what a point and its negative give. Their
  // products share two sums.
  constexpr bool mirrored(int row) const {
    if (row + 1 >= rows) return false;
    for (int j = 0; j < columns; j++)
      if (at[row][j] != at[row + 1][j] && at[row][j] != -at[row + 1][j]) return false;
    return true;
  }
};

template <int n>
struct Points;
template <>
struct Points<8> {
  static constexpr double at[] = {0, 1, -1, 2, -2, 0.5, -0.5};
};
// Less symmetric than 0, 1, -1, 2, -2, and half the error.
template <>
struct Points<6> {
  static constexpr double at[] = {0, 1, -1, 0.5, -2};
};

template <int n_, int r_>
struct Scheme {
  static constexpr int n = n_, r = r_, m = n - r + 1;

  // Rows are powers of the points: A (m columns), and G (r columns) when each row is divided by the product of the
  // point's distances from the others.
  template <int columns>
  static constexpr Matrix<n, columns> powers(bool divided) {
    Matrix<n, columns> result;
    for (int i = 0; i < n - 1; i++) {
      double value = 1;
      for (int j = 0; divided && j < n - 1; j++)
        if (j != i) value /= Points<n>::at[i] - Points<n>::at[j];
      for (int k = 0; k < columns; k++, value *= Points<n>::at[i]) result.at[i][k] = value;
    }
    result.at[n - 1][columns - 1] = 1;
    return result;
  }
  // Row i: the coefficients of the product of (x - point) over the other points, or over all for infinity.
  static constexpr Matrix<n, n> products() {
    Matrix<n, n> result;
    for (int i = 0; i < n; i++) {
      result.at[i][0] = 1;
      for (int j = 0, degree = 0; j < n - 1; j++) {
        if (j == i) continue;
        degree++;
        for (int k = degree; k > 0; k--) result.at[i][k] = result.at[i][k - 1] - Points<n>::at[j] * result.at[i][k];
        result.at[i][0] *= -Points<n>::at[j];
      }
    }
    return result;
  }

  static constexpr Matrix<n, m> A = powers<m>(false);
  static constexpr Matrix<n, r> G = powers<r>(true);
  static constexpr Matrix<n, n> Bt = products();
};

}  // namespace flybrick
