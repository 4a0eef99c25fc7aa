// Convolutions of few channels and small kernels, an image at a time: weights stay in the first-level cache, pixels
// are read where they lie, and nothing is packed. Rows go by minimal filtering where that is cheaper. Each returns
// false where shapes ask for the packed product.
#pragma once
#include "step.h"

namespace flybrick {

bool narrowConv2d(Pool& pool, const int64_t* shape, const View& x, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
bool narrowInputGrad(Pool& pool, const int64_t* shape, const View& dy, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
bool narrowWeightGrad(Pool& pool, const int64_t* shape, const View& x, const View& dy, const ConvGeometry& g, Epilogue& epilogue);

}  // namespace flybrick
