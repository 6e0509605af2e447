// A layer with weights and a fast path for inference: what conv.h and linear.h share.
//
// PrepareForInference packs the weight, or reads a packed one that an equal layer has stored. The
// weight can be borrowed from a file that is mapped, and dropped once it is packed.
//
// Example:
//   layer.PrepareForInference({Precision::kBfloat16, /*drop_weights=*/true});

#ifndef RCNN_DETECTION_PREPARED_LAYER_H_
#define RCNN_DETECTION_PREPARED_LAYER_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>
#include <torch/nn/module.h>

#include <cstddef>
#include <cstdint>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

// How a layer's weights are initialised; biases start at 0.
struct Init {
  enum Kind {
    // Normal with deviation `stddev`.
    kNormal,
    // Normal with variance 2 / (outputs that an input reaches), for a following
    // ReLU (He et al., arXiv:1502.01852, Eq. 14).
    kReluFanOut,
    // Uniform with variance 1 / (inputs of an output).
    kUniformFanIn,
  };
  Kind kind = kReluFanOut;
  double stddev = 0.01;
};

// The function after a layer.
enum class Activation { kNone, kRelu };

struct InferenceOptions {
  // kBfloat16 where there are instructions for it (precision.h), else float32.
  Precision precision = Precision::kFloat32;
  // Frees the weights of packed layers, which then have no elements; only the packed ones remain.
  // The model cannot be trained, saved, moved or prepared again: these throw c10::Error. Their
  // memory goes back to the system while later layers are packed (base/heap.h), so that packed
  // and original weights hardly take memory at the same time.
  bool drop_weights = false;
};

// What a prepared layer computes with, to be kept in a file (packed_model.h).
struct StoredLayer {
  // The packed weights; or float32 ones in the order of the layer's weight, where LibTorch packs
  // them. Norms are folded in.
  StoredPanels weight;
  StoredPanels bias;  // float32 [out]; none where the layer has none
};

class PreparedLayer : public torch::nn::Module {
 public:
  // See the functions of these names in layers.h. With `stored`, what Stored() of an equal layer
  // returned after the same call, at the same instruction level and with the same LibTorch, the
  // numbers of the weights and norms are not read. Throws std::invalid_argument or c10::Error if it
  // is of another layer.
  void PrepareForInference(const InferenceOptions& options, const StoredLayer* stored = nullptr);
  void EndInference();

  // Makes `weight`, in its memory, the layer's, for inference. The memory may be read-only, such as
  // that of a mapped file; until the layer's weight is dropped or copied, an import, an optimiser
  // or another change of it in place would end the process by a signal. PrepareForInference packs
  // the weight, or copies it if the layer uses it unpacked, and calls `release` with the parts that
  // it has read: each number once, parts of a few megabytes of a linear layer, all of a
  // convolution. Reset, train(true) and to() copy a borrowed weight before they change it.
  //
  // Returns false and does nothing unless both weights are contiguous float32 tensors of the same
  // shape on the CPU.
  bool BorrowWeight(const at::Tensor& weight, ReleaseMemory release);

  // Whether the weight is in borrowed memory.
  bool IsBorrowed() const;

  // Bytes of the weight, 0 once it has been dropped.
  size_t WeightBytes() const { return weight_.nbytes(); }

  // Frees the weights, as InferenceOptions::drop_weights does, if the layer is prepared.
  void DropWeights();

  // Whether the layer is prepared, so that its weight is read no more.
  bool IsReplaced() const { return replaced_; }

  // What PrepareForInference has made; nullopt if it has made nothing. The weights must not have
  // been dropped.
  c10::optional<StoredLayer> Stored() const;

  // Computes in the type of its weights, float32, whatever PrepareForInference or autocast
  // (base/autocast_scope.h) asks for.
  void KeepFloat32() { keeps_float32_ = true; }

  // Overrides of torch::nn::Module. All except train(false) end inference.
  void train(bool on = true) override;
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

 protected:
  // Packs the weights and releases a borrowed one, or does nothing. Returns whether weight() is
  // read no more. `stored` may be null.
  virtual bool Pack(Precision precision, const StoredLayer* stored) = 0;
  // The result of Pack. IsPrepared() holds.
  virtual StoredLayer StorePacked() const = 0;
  virtual void Unpack() = 0;
  virtual bool IsPrepared() const = 0;
  // Changes whenever the inputs of PrepareForInference are modified in place.
  virtual int64_t Version() const = 0;

  // Throws c10::Error if the packed weights are stale, or if a gradient of them or of `x` is asked
  // for. IsPrepared() must hold.
  void CheckPrepared(const BatchMap& x) const;

  bool keeps_float32() const { return keeps_float32_; }

  // Ends inference, and copies a borrowed weight.
  void PrepareForChange();
  // After that, draws the weight, and makes the bias, if there is one, 0.
  void ResetWeight(const Init& init, at::Generator generator);
  // Makes a borrowed weight the layer's own, a copy, and releases the parts of the borrowed one.
  void OwnWeight();
  // For the parts of a borrowed weight; null for any other.
  ReleaseMemory Releaser() const { return IsBorrowed() ? release_ : nullptr; }
  // Releases a borrowed weight as a whole.
  void ReleaseWeight() const;

  at::Tensor weight_, bias_;

 private:
  at::Tensor borrowed_;  // undefined: none
  ReleaseMemory release_;
  bool keeps_float32_ = false;
  bool replaced_ = false;  // weight() is read no more
  bool dropped_ = false;
  int64_t prepared_version_ = 0;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_PREPARED_LAYER_H_
