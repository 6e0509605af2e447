// A convolution with prepacked weights, for inference on the CPU.
//
// Selects a method by shape and processor: Winograd's method (winograd.h), a matrix
// product of the map (pointwise.h) or of patches of it (patch_convolution.h), or LibTorch's packed
// oneDNN convolutions without AVX2 and for kernels that are not square. Where bfloat16 is asked for
// and pays, its products are bfloat16 (bfloat16_winograd.h, bfloat16_convolution.h). Results differ
// from at::conv2d by rounding.
//
// Example:
//   PackedConvolution conv(weight, bias, {.stride = 1, .padding = 1, .relu = true});
//   at::Tensor y = conv.Run(x);

#ifndef RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_
#define RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/bfloat16_convolution.h"
#include "rcnn/detection/convolution/bfloat16_winograd.h"
#include "rcnn/detection/convolution/patch_convolution.h"
#include "rcnn/detection/convolution/pointwise.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/convolution/winograd.h"

namespace rcnn::detection {

enum class ConvolutionMethod {
  // 3 x 3 of stride 1 and padding 1; needs AVX2.
  kWinograd,
  // 1 x 1 of stride 1 without padding; needs AVX2.
  kPointwise,
  // Square kernels; needs AVX2.
  kPatches,
  // Any; needs a LibTorch with oneDNN.
  kLibtorch,
  // Products of bfloat16: any; and as kWinograd with tiles of 2 x 2 or 4 x 4 outputs. Slow
  // without AVX-512 BF16.
  kBfloat16,
  kBfloat16WinogradTwo,
  kBfloat16WinogradFour,
};

struct PackedConvolutionOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  // A ReLU follows.
  bool relu = false;
  // kBfloat16 is a wish: see FastestMethod.
  Precision precision = Precision::kFloat32;
  // LibTorch computes a large map in bands of rows, of which each takes about so many bytes besides
  // the map and the result. They have the same bits. So do those of a result that Winograd's method
  // writes over its input, which it does from so many bytes on.
  int64_t band_bytes = int64_t{32} << 20;
  // Overrides FastestMethod, for tests. The method must support the convolution.
  c10::optional<ConvolutionMethod> method = c10::nullopt;
};

// The method that is expected to be fastest for weight [K, C, k, k]. One with bfloat16 products
// only if options.precision asks for it, `level` has them and the convolution has at least 16
// channels.
ConvolutionMethod FastestMethod(const at::Tensor& weight, const PackedConvolutionOptions& options,
                                InstructionLevel level);

// Some rows of a map of `height` rows: rows [N, C, count, W] holds those from `first` on.
struct MapRows {
  at::Tensor rows;
  int64_t first, height;
};

class PackedConvolution {
 public:
  // Whether a convolution with this weight, or by options.method, can be packed here.
  static bool CanPack(const at::Tensor& weight, const PackedConvolutionOptions& options);

  // Whether the weights are packed as panels, which can be stored, rather than by LibTorch.
  // CanPack() must hold.
  static bool HasPanels(const at::Tensor& weight, const PackedConvolutionOptions& options);

  // weight [K, C, k, k] float32 on the CPU; bias [K] or undefined. CanPack() must hold. With
  // `stored`, the panels() of an equal convolution at the same instruction level, the numbers in
  // `weight` are not read; HasPanels() must hold. Throws std::invalid_argument if they have another
  // size.
  PackedConvolution(const at::Tensor& weight, const at::Tensor& bias,
                    const PackedConvolutionOptions& options, const StoredPanels& stored = {});

  ConvolutionMethod method() const { return method_; }

  // The packed weights; none if LibTorch has packed them.
  StoredPanels panels() const;

  // x [N, C, H, W] float32 -> [N, K, H', W'], contiguous. No gradient flows. Throws
  // c10::Error on a wrong number of channels, dtype or device, and, like at::conv2d, if
  // the padded map is smaller than the kernel. Thread-safe. With `overwrite` the result may lie in
  // the memory of x, which nobody may use any more: that of 1 x 1 and of large maps of 3 x 3.
  at::Tensor Run(const at::Tensor& x, bool overwrite = false) const;

  // max(0, Run(x) + other), for a residual shortcut. The options must not have a
  // ReLU. With `overwrite` the result may lie in the memory of `other`, which must not be that of
  // x.
  at::Tensor RunAddRelu(const at::Tensor& x, const at::Tensor& other, bool overwrite = false) const;

  // What several calls of RunRows share: the transforms of kernels that are kept as they are.
  class RowWeights {
   private:
    friend class PackedConvolution;
    AlignedFloats float32_;
    AlignedBfloat16s bfloat16_;
  };
  RowWeights PrepareRows() const;

  // Whether RunRows can compute a map part by part about as fast as at once, and RowWeights are
  // small.
  bool CanRunRows() const;

  // Rows begin to end - 1 of Run for one image, the same bits. `begin` is a multiple of four, and
  // so is `end` unless it is y.height. x must have the rows that they depend on, y room for them;
  // both are float32 on the CPU, without gaps. Not for a pointwise convolution; CanRunRows() says
  // so.
  void RunRows(const MapRows& x, int64_t begin, int64_t end, const MapRows& y,
               const RowWeights& weights) const;

  // Run for one image in bands of `band_rows` rows, a multiple of four, which are handed to `use`
  // in order: the number of their first row, and [1, K, rows, W'], which is valid in that call
  // alone. The same bits. CanRunRows() must hold. Throws as Run does.
  void ForEachBand(const at::Tensor& x, int64_t band_rows,
                   absl::FunctionRef<void(int64_t begin, const at::Tensor& band)> use) const;

 private:
  void Check(const at::Tensor& x) const;
  // Without LibTorch, to `y`. `add` undefined: nothing; may be y.
  at::Tensor RunOwn(const at::Tensor& x, const at::Tensor& add, bool relu, at::Tensor y) const;
  // Whether the result may be written over the input: a product of blocks of cells, which are
  // packed first.
  bool CanOverwrite() const;
  bool IsPointwise() const;
  // Whether it may be written over this input in bands.
  bool CanOverwriteInBands(const at::Tensor& x) const;
  at::Tensor RunOverInput(const at::Tensor& x) const;
  // By LibTorch, a whole map.
  at::Tensor RunLibtorch(const at::Tensor& x) const;
  at::Tensor RunInBands(const at::Tensor& x) const;
  // RunRows of a batch and without the rule for `begin` and `end`.
  void RunBand(const MapRows& x, int64_t begin, int64_t end, const MapRows& y) const;
  std::vector<int64_t> OutputShape(const at::Tensor& x) const;

  PackedConvolutionOptions options_;
  int64_t out_channels_, in_channels_, kernel_;
  ConvolutionMethod method_ = ConvolutionMethod::kLibtorch;
  // Exactly one of these is set.
  std::unique_ptr<WinogradConvolution> winograd_;
  std::unique_ptr<PointwiseConvolution> pointwise_;
  std::unique_ptr<PatchConvolution> patches_;
  std::unique_ptr<Bfloat16Convolution> bfloat16_;
  std::unique_ptr<Bfloat16Winograd> bfloat16_winograd_;
  c10::IValue libtorch_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_
