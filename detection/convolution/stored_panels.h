// Packed weights of a convolution or a linear layer: made here, or kept by someone else.
//
// Packing takes longer than reading the result. So a layer can hand out its panels, to be stored
// (StoredPanels), and can later be made from them, for example from a mapped file that several
// processes share.
//
// Panels depend on the shape of the layer, the precision and the instruction level, and on the code
// that packs them: raise kPanelFormat whenever that code gives other bytes.
//
// Example:
//   const PackedPanels<float> packed(AllocateFloats(count), count);
//   const PackedPanels<float> same(packed.stored(), count);

#ifndef RCNN_DETECTION_CONVOLUTION_STORED_PANELS_H_
#define RCNN_DETECTION_CONVOLUTION_STORED_PANELS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace rcnn::detection {

// The version of the panels of all classes in this folder.
inline constexpr int kPanelFormat = 4;

// Read-only bytes that `owner` keeps alive.
struct StoredPanels {
  const void* data = nullptr;  // at a multiple of 64 bytes; null: there are none
  size_t bytes = 0;
  std::shared_ptr<const void> owner;
};

// An array of numbers that does not change; copies share it.
template <typename Number>
class PackedPanels {
 public:
  PackedPanels() = default;

  // Takes over `count` numbers.
  template <typename Deleter>
  PackedPanels(std::unique_ptr<Number[], Deleter> numbers, int64_t count)
      : bytes_(static_cast<size_t>(count) * sizeof(Number)), numbers_(numbers.get()) {
    owner_ = std::shared_ptr<Number>(numbers.release(), Deleter());
  }

  // Shares stored numbers. Throws std::invalid_argument unless these are `count` numbers at a
  // multiple of 64 bytes.
  PackedPanels(const StoredPanels& stored, int64_t count)
      : bytes_(stored.bytes),
        numbers_(static_cast<const Number*>(stored.data)),
        owner_(stored.owner) {
    if (bytes_ != static_cast<size_t>(count) * sizeof(Number) ||
        reinterpret_cast<uintptr_t>(stored.data) % 64 != 0) {
      throw std::invalid_argument("stored panels have " + std::to_string(bytes_) +
                                  " bytes, not the " + std::to_string(count * sizeof(Number)) +
                                  " of this layer, or are not aligned");
    }
  }

  const Number& operator[](int64_t i) const { return numbers_[i]; }

  StoredPanels stored() const { return {numbers_, bytes_, owner_}; }

 private:
  size_t bytes_ = 0;
  const Number* numbers_ = nullptr;
  std::shared_ptr<const void> owner_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_STORED_PANELS_H_
