// Convolutions by Winograd's minimal filtering: a third to a fifth of the multiplications.
#pragma once
#include "step.h"

namespace flybrick {

// Each returns false, having done nothing, where the shapes do not allow it or a direct product is cheaper: by shapes
// and `g.algorithm` alone, since the results differ in bits. The epilogue's axes are set by the caller.
bool winogradConv2d(Pool& pool, const int64_t* shape, const View& x, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
bool winogradInputGrad(Pool& pool, const int64_t* shape, const View& dy, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
bool winogradWeightGrad(Pool& pool, const int64_t* shape, const View& x, const View& dy, const ConvGeometry& g, Epilogue& epilogue);

}  // namespace flybrick
